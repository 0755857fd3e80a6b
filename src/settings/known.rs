//! The keys that exist, and the one that a wrong key was meant to be.

use serde_json::Value;

use super::Settings;

/// Less alike than this, a name is no proposal.
const LIKENESS: f64 = 0.6;

/// What a key stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Section,
    List,
    /// Text, a number or a truth.
    Plain,
}

/// Every key as `section.key`, in the order of the sections.
pub fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    collect(&defaults(), "", &mut keys);
    keys
}

/// What the key stands for, if it exists.
pub fn kind(path: &[String]) -> Option<Kind> {
    let defaults = defaults();
    let value = path.iter().try_fold(&defaults, |value, name| value.get(name))?;
    Some(match value {
        Value::Object(_) => Kind::Section,
        Value::Array(_) => Kind::List,
        _ => Kind::Plain,
    })
}

/// The key that the unknown one is most like, either as a whole or by its last word.
pub fn nearest(unknown: &str) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |key: &str| {
        let whole = strsim::normalized_damerau_levenshtein(unknown, key);
        whole.max(strsim::normalized_damerau_levenshtein(&last(unknown), &last(key)))
    };
    let scored = keys().into_iter().map(|key| (likeness(&key), key));
    let (best, key) = scored.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (best >= LIKENESS).then_some(key)
}

/// As JSON, the defaults also name what is absent by default.
fn defaults() -> Value {
    serde_json::to_value(Settings::default()).expect("settings have text keys")
}

fn collect(value: &Value, path: &str, keys: &mut Vec<String>) {
    match value {
        Value::Object(section) => {
            for (name, value) in section {
                let separator = if path.is_empty() { "" } else { "." };
                collect(value, &format!("{path}{separator}{name}"), keys);
            }
        }
        _ => keys.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_led_to_the_nearest() {
        let cases = [
            ("server.listn", Some("server.listen")),
            ("sever.listen", Some("server.listen")),
            ("listen", Some("server.listen")),
            ("storage.datadir", Some("storage.data_dir")),
            ("registry.max_manifest_byte", Some("registry.max_manifest_bytes")),
            ("auth.anonymus_pull", Some("auth.anonymous_pull")),
            ("zzz.qqq", None),
        ];
        for (unknown, expected) in cases {
            assert_eq!(nearest(unknown).as_deref(), expected, "{unknown}");
        }
    }

    #[test]
    fn keys_without_a_default_exist() {
        assert!(keys().contains(&"server.tls_cert".to_owned()));
        assert_eq!(kind(&["server".into(), "tls_cert".into()]), Some(Kind::Plain));
        assert_eq!(kind(&["auth".into(), "anonymous_pull".into()]), Some(Kind::List));
        assert_eq!(kind(&["auth".into()]), Some(Kind::Section));
        assert_eq!(kind(&["auth".into(), "other".into()]), None);
    }
}
