//! Any condition on the claims of an ID token is read or refused, and holds or does not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::auth::federation::Condition;
use serde_json::{Value, json};

fuzz_target!(|input: &str| {
    // The claims stand in the first line.
    let (claims, text) = input.split_once('\n').unwrap_or(("", input));
    let Ok(condition) = Condition::parse(text) else { return };
    let claims: Value = serde_json::from_str(claims).unwrap_or(json!({"sub": claims}));
    let holds = condition.holds(&claims);
    assert_eq!(condition.holds(&claims), holds);
});
