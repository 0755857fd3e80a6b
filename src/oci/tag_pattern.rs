use super::{Tag, text_value};

/// A set of tags: a tag in which each `*` stands for any characters, also none.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TagPattern(Box<str>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a tag pattern: it takes letters, digits, underscores, dots and dashes, and * for \
     any of them, as in v*"
)]
pub struct TagPatternError(Box<str>);

impl TagPattern {
    /// # Errors
    /// [`TagPatternError`] if the text holds what no tag holds.
    pub fn parse(text: &str) -> Result<Self, TagPatternError> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-*".contains(&b);
        if text.is_empty() || text.len() > 256 || !text.bytes().all(is_allowed) {
            return Err(TagPatternError(text.chars().take(300).collect::<String>().into()));
        }
        Ok(Self(text.into()))
    }

    pub fn all() -> Self {
        Self("*".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn matches(&self, tag: &Tag) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = tag.as_str().strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // Each part at its first place leaves the most room for those after it.
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

text_value!(TagPattern, TagPatternError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, tag, matches) in [
            ("v*", "v1.0", true),
            ("v*", "v", true),
            ("v*", "1.0", false),
            ("*", "latest", true),
            ("1.0", "1.0", true),
            ("1.0", "1.0.1", false),
            ("v*.*", "v1.0", true),
            ("v*.*", "v1", false),
            ("*-rc*", "1.0-rc1", true),
            ("*-rc*", "1.0", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*a", "aba", true),
            ("a*ab*b", "aab", false),
        ] {
            let found = TagPattern::parse(pattern).unwrap().matches(&Tag::parse(tag).unwrap());
            assert_eq!(found, matches, "{pattern} {tag}");
        }
    }

    #[test]
    fn what_no_tag_holds_is_no_pattern() {
        for text in ["", "a/b", "v?", "[a]", "a b"] {
            assert!(TagPattern::parse(text).is_err(), "{text}");
        }
    }
}
