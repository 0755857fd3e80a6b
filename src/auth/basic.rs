use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use super::AuthError;

/// A name with what is given as its password. It never shows in logs.
pub struct Password {
    pub name: String,
    pub password: String,
}

impl Password {
    /// Reads the value of `Authorization`.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if it is not of the scheme Basic.
    pub fn from_header(value: &HeaderValue) -> Result<Self, AuthError> {
        let value = value.to_str().map_err(|_| AuthError::Malformed("is not text"))?;
        match value.split_once(' ') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("basic") => {
                Self::from_basic(rest.trim())
            }
            _ => Err(AuthError::Malformed("is of another scheme than Basic")),
        }
    }

    /// Reads what follows `Basic ` (RFC 7617, section 2).
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if it is not the Base64 of UTF-8 text with a colon.
    pub fn from_basic(encoded: &str) -> Result<Self, AuthError> {
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| AuthError::Malformed("has Basic credentials that are not Base64"))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| AuthError::Malformed("has Basic credentials that are not UTF-8"))?;
        let (name, password) = text
            .split_once(':')
            .ok_or(AuthError::Malformed("has Basic credentials without a colon"))?;
        Ok(Self { name: name.into(), password: password.into() })
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_hold_colons() {
        let password = Password::from_basic(&STANDARD.encode("alice:a:b:")).unwrap();
        assert_eq!((password.name.as_str(), password.password.as_str()), ("alice", "a:b:"));
    }

    #[test]
    fn other_texts_are_malformed() {
        for encoded in ["", "***", &STANDARD.encode("no colon"), &STANDARD.encode([0xff, b':'])] {
            assert!(Password::from_basic(encoded).is_err(), "{encoded}");
        }
    }

    #[test]
    fn a_password_does_not_show() {
        let password = Password { name: "alice".into(), password: "secret".into() };
        assert!(!format!("{password:?}").contains("secret"));
    }
}
