//! Any query is read, and a number of items is one or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::http::query::Query;

fuzz_target!(|text: &str| {
    let query = Query::parse(Some(text));
    for name in ["digest", "mount", "from", "tag", "scope"] {
        assert_eq!(query.get(name), query.all(name).next());
    }
    let n = query.get("n").filter(|n| !n.is_empty());
    match query.page_size() {
        Ok(Some(_)) => assert!(n.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))),
        Ok(None) => assert!(n.is_none()),
        Err(error) => assert!(error.status().is_client_error()),
    }
    let _ = query.last();
});
