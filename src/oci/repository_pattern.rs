use serde::{Deserialize, Serialize};

use super::RepositoryName;

/// Which repositories a right is for: `*` for all, `team/*` for all below `team/`, or one name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RepositoryPattern {
    /// The name, or what stands before the star.
    text: Box<str>,
    is_prefix: bool,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a repository pattern: use * for all repositories, a prefix that ends in /* such \
     as team/*, or the name of one repository"
)]
pub struct RepositoryPatternError(Box<str>);

impl RepositoryPattern {
    /// # Errors
    /// [`RepositoryPatternError`] if the text is neither `*`, nor `NAME/*`, nor a repository's name.
    pub fn parse(text: &str) -> Result<Self, RepositoryPatternError> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        let is_well_formed = match name.strip_suffix('/') {
            Some(parent) => is_prefix && RepositoryName::parse(parent).is_ok(),
            None if is_prefix => name.is_empty(),
            None => RepositoryName::parse(name).is_ok(),
        };
        if !is_well_formed {
            return Err(RepositoryPatternError(text.chars().take(300).collect::<String>().into()));
        }
        Ok(Self { text: name.into(), is_prefix })
    }

    /// All repositories.
    pub fn all() -> Self {
        Self { text: "".into(), is_prefix: true }
    }

    /// One repository.
    pub fn exact(name: &RepositoryName) -> Self {
        Self { text: name.as_str().into(), is_prefix: false }
    }

    pub fn matches(&self, name: &RepositoryName) -> bool {
        if self.is_prefix {
            name.as_str().starts_with(&*self.text)
        } else {
            name.as_str() == &*self.text
        }
    }

    pub fn is_all(&self) -> bool {
        self.is_prefix && self.text.is_empty()
    }

    /// What every matching name starts with, if the pattern is for more than one name.
    pub fn prefix(&self) -> Option<&str> {
        self.is_prefix.then_some(&*self.text)
    }

    /// The name that alone matches, if the pattern is for one name.
    pub fn name(&self) -> Option<&str> {
        (!self.is_prefix).then_some(&*self.text)
    }

    /// The pattern for what both match; [`None`] if no name can match both.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let covers = |wide: &Self, narrow: &Self| {
            if wide.is_prefix { narrow.text.starts_with(&*wide.text) } else { wide == narrow }
        };
        if covers(self, other) {
            Some(other.clone())
        } else if covers(other, self) {
            Some(self.clone())
        } else {
            None
        }
    }
}

impl std::fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)?;
        if self.is_prefix { f.write_str("*") } else { Ok(()) }
    }
}

impl Serialize for RepositoryPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RepositoryPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> RepositoryPattern {
        RepositoryPattern::parse(text).unwrap()
    }

    fn matches(text: &str, name: &str) -> bool {
        pattern(text).matches(&RepositoryName::parse(name).unwrap())
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        assert!(matches("team/*", "team/app"));
        assert!(matches("team/*", "team/app/deep"));
        assert!(!matches("team/*", "team"));
        assert!(!matches("team/*", "team-of-another/app"));
        assert!(matches("*", "anything/at/all"));
    }

    #[test]
    fn a_name_matches_itself_alone() {
        assert!(matches("team/app", "team/app"));
        assert!(!matches("team/app", "team/app/deep"));
        assert!(!matches("team/app", "team/app2"));
    }

    #[test]
    fn other_texts_are_no_patterns() {
        for text in ["", "team*", "*/app", "team/*/app", "/*", "Team/*", "team/", "te am", "**"] {
            assert!(RepositoryPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn two_patterns_meet_in_the_narrower() {
        let cases = [
            ("*", "team/*", Some("team/*")),
            ("team/*", "team/app", Some("team/app")),
            ("team/app", "team/app", Some("team/app")),
            ("team/*", "team/a/*", Some("team/a/*")),
            ("team/*", "other/*", None),
            ("team/app", "team/app/*", None),
        ];
        for (one, two, both) in cases {
            let expected = both.map(pattern);
            assert_eq!(pattern(one).intersection(&pattern(two)), expected, "{one} {two}");
            assert_eq!(pattern(two).intersection(&pattern(one)), expected, "{two} {one}");
        }
    }

    #[test]
    fn a_pattern_keeps_its_text() {
        for text in ["*", "team/*", "team/app"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }
}
