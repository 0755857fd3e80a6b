use super::text_value;

/// A name for a manifest within a repository: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
/// (distribution-spec, "Pulling manifests").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a tag: it takes 1 to 128 letters, digits, underscores, dots and dashes, and \
     starts with none of the last two"
)]
pub struct TagError(Box<str>);

impl Tag {
    /// # Errors
    /// [`TagError`] if the text is outside the grammar.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let well_formed = text.len() <= 128
            && text.as_bytes().first().is_some_and(is_word)
            && text.bytes().all(|b| is_word(&b) || matches!(b, b'.' | b'-'));
        if !well_formed {
            return Err(TagError(text.chars().take(200).collect::<String>().into()));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_value!(Tag, TagError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_the_grammar() {
        for tag in ["latest", "1.0", "_x", "A-b.C_d", &"a".repeat(128)] {
            assert!(Tag::parse(tag).is_ok(), "{tag}");
        }
        for tag in ["", ".a", "-a", "a:b", "a/b", "a b", "é", &"a".repeat(129)] {
            assert!(Tag::parse(tag).is_err(), "{tag}");
        }
    }
}
