//! What a registry asks for in `WWW-Authenticate` (RFC 9110, section 11.6.1; distribution, "Token
//! Authentication Specification").

use http::header;
use reqwest::Response;

use crate::transfer::TransferError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// # Errors
    /// [`TransferError`] if the answer asks for nothing that we can give.
    pub fn of(answer: &Response) -> Result<Self, TransferError> {
        let values = answer.headers().get_all(header::WWW_AUTHENTICATE);
        let found = values.iter().filter_map(|value| Self::parse(value.to_str().ok()?));
        // A token is worth more than a password that is sent with each request.
        let best = found.max_by_key(|challenge| matches!(challenge, Self::Bearer { .. }));
        best.ok_or_else(|| TransferError::SignIn {
            url: answer.url().to_string(),
            message: "the registry names no way to sign in that is known here".into(),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let find = |name: &str| {
            let mut found = parameters.iter();
            let found = found.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        Some(Self::Bearer { realm: find("realm")?, service: find("service"), scope: find("scope") })
    }
}

/// `name="value"` or `name=value`, with commas between them; commas in quotes belong to the value.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_owned();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((name, value.trim().to_owned()));
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_leads_to_the_place_of_tokens() {
        let text = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.example/token".into(),
            service: Some("registry.example".into()),
            scope: Some("repository:a:pull,push".into()),
        };
        assert_eq!(Challenge::parse(text), Some(expected));
        let plain = Challenge::parse("bearer realm=http://a/t, service=x");
        let expected = Challenge::Bearer {
            realm: "http://a/t".into(),
            service: Some("x".into()),
            scope: None,
        };
        assert_eq!(plain, Some(expected));
        assert_eq!(Challenge::parse(r#"Basic realm="a""#), Some(Challenge::Basic));
        for text in ["", "Digest realm=\"a\"", "Bearer", "Bearer service=\"x\"", "Bearer realm=\""]
        {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }
}
