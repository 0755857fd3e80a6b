use serde::{Deserialize, Serialize};

/// A right on a repository.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Action {
    #[serde(rename = "content/read")]
    ContentRead,
    #[serde(rename = "content/write")]
    ContentWrite,
    #[serde(rename = "content/delete")]
    ContentDelete,
    #[serde(rename = "metadata/read")]
    MetadataRead,
    #[serde(rename = "metadata/write")]
    MetadataWrite,
}

/// A right on the registry as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RegistryAction {
    /// To list repositories; the list holds only those that the caller may read.
    CatalogRead,
    /// To manage identities, roles and settings.
    Admin,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not an action: use content/read, content/write, content/delete, metadata/read or \
     metadata/write"
)]
pub struct ActionError(Box<str>);

impl Action {
    pub const ALL: [Self; 5] = [
        Self::ContentRead,
        Self::ContentWrite,
        Self::ContentDelete,
        Self::MetadataRead,
        Self::MetadataWrite,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContentRead => "content/read",
            Self::ContentWrite => "content/write",
            Self::ContentDelete => "content/delete",
            Self::MetadataRead => "metadata/read",
            Self::MetadataWrite => "metadata/write",
        }
    }

    /// # Errors
    /// [`ActionError`] if `text` is not the [`Action::as_str`] of any.
    pub fn parse(text: &str) -> Result<Self, ActionError> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| ActionError(text.chars().take(100).collect::<String>().into()))
    }

    /// The word of token scopes, as in `repository:NAME:pull,push`.
    pub fn scope_word(self) -> &'static str {
        match self {
            Self::ContentRead => "pull",
            Self::ContentWrite => "push",
            Self::ContentDelete => "delete",
            Self::MetadataRead => "metadata_read",
            Self::MetadataWrite => "metadata_write",
        }
    }
}

/// A set of [`Action`]s.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ActionSet(u8);

impl ActionSet {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(0b1_1111);
    /// Reading content and metadata: what makes a repository visible.
    pub const READ: Self = Self::NONE.with(Action::ContentRead).with(Action::MetadataRead);

    /// Reads names joined by commas; the empty text is the empty set.
    ///
    /// # Errors
    /// [`ActionError`] for the first text that names no action.
    pub fn parse(text: &str) -> Result<Self, ActionError> {
        text.split(',').filter(|name| !name.is_empty()).map(Action::parse).collect()
    }

    #[must_use]
    pub const fn with(self, action: Action) -> Self {
        Self(self.0 | 1 << action as u8)
    }

    pub const fn contains(self, action: Action) -> bool {
        self.0 & 1 << action as u8 != 0
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.contains(*action))
    }
}

impl FromIterator<Action> for ActionSet {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        actions.into_iter().fold(Self::NONE, Self::with)
    }
}

/// The names of the actions, joined by commas.
impl std::fmt::Display for ActionSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, action) in self.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { "," })?;
            f.write_str(action.as_str())?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for ActionSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Action::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        let set = ActionSet::from_iter([Action::ContentRead, Action::MetadataWrite]);
        for action in Action::ALL {
            let is_member = matches!(action, Action::ContentRead | Action::MetadataWrite);
            assert_eq!(set.contains(action), is_member, "{action:?}");
        }
        assert_eq!(ActionSet::from_iter(Action::ALL), ActionSet::ALL);
    }

    #[test]
    fn names_of_actions_are_read_back() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Ok(action));
        }
        assert!(Action::parse("pull").is_err());
        assert_eq!(ActionSet::parse(&ActionSet::READ.to_string()), Ok(ActionSet::READ));
        assert_eq!(ActionSet::parse(""), Ok(ActionSet::NONE));
    }
}
