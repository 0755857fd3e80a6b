use super::text_value;

/// The name of a repository: path parts of lower-case letters and digits, joined by single
/// separators, at most 255 characters (distribution-spec, "Pulling manifests"):
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Box<str>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RepositoryNameError {
    #[error("a repository name has 1 to 255 characters, not {0}")]
    Length(usize),
    #[error(
        "{0:?} is not a repository name: its parts between slashes are lower-case letters and \
         digits, joined by one of . _ __ or dashes"
    )]
    Malformed(Box<str>),
}

impl RepositoryName {
    /// Longest name, in characters.
    pub const MAX_LEN: usize = 255;

    /// # Errors
    /// [`RepositoryNameError`] if the text is too long, empty or outside the grammar.
    pub fn parse(text: &str) -> Result<Self, RepositoryNameError> {
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(RepositoryNameError::Length(text.chars().count()));
        }
        if !text.split('/').all(is_path_part) {
            return Err(RepositoryNameError::Malformed(text.into()));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_path_part(part: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends_in_words =
        bytes.first().is_some_and(|b| is_word(*b)) && bytes.last().is_some_and(|b| is_word(*b));
    ends_in_words
        && bytes.split(|b| is_word(*b)).all(|separator| match separator {
            [] | b"." | b"_" | b"__" => true,
            dashes => dashes.iter().all(|b| *b == b'-'),
        })
}

text_value!(RepositoryName, RepositoryNameError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_grammar_are_accepted() {
        for name in ["a", "library/alpine", "a/b/c/d", "a-b", "a--b", "a_b", "a__b", "a.b", "0/1"] {
            assert_eq!(RepositoryName::parse(name).unwrap().as_str(), name);
        }
        for word in ["blobs", "manifests/tags/uploads", "referrers/list"] {
            assert!(RepositoryName::parse(word).is_ok(), "{word}");
        }
        assert!(RepositoryName::parse(&"a".repeat(255)).is_ok());
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        for name in [
            "", "A", "a/", "/a", "a//b", "a..b", "a___b", "a._b", "_a", "a-", "é", "a b", "../a",
            "a\0",
        ] {
            assert!(RepositoryName::parse(name).is_err(), "{name}");
        }
        assert!(RepositoryName::parse(&"a".repeat(256)).is_err());
    }
}
