use super::{Action, ActionSet};

/// A named set of rights, as in Azure Container Registry. Scope maps are for all other sets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    Reader,
    AcrPull,
    AcrPush,
    AcrDelete,
    Owner,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a role: use Reader, AcrPull, AcrPush, AcrDelete or Owner")]
pub struct RoleError(Box<str>);

impl Role {
    pub const ALL: [Self; 5] =
        [Self::Reader, Self::AcrPull, Self::AcrPush, Self::AcrDelete, Self::Owner];

    /// # Errors
    /// [`RoleError`] if no role has this name.
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        let named = |role: &Self| role.as_str() == text;
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| RoleError(text.chars().take(100).collect::<String>().into()))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "Reader",
            Self::AcrPull => "AcrPull",
            Self::AcrPush => "AcrPush",
            Self::AcrDelete => "AcrDelete",
            Self::Owner => "Owner",
        }
    }

    /// What the role allows on the repositories it is given for.
    ///
    /// Pushing and deleting leave attributes alone: what an owner locked, they cannot unlock.
    pub fn actions(self) -> ActionSet {
        let metadata = ActionSet::NONE.with(Action::MetadataRead);
        match self {
            Self::Reader | Self::AcrPull => ActionSet::READ,
            Self::AcrPush => ActionSet::READ.with(Action::ContentWrite),
            Self::AcrDelete => metadata.with(Action::ContentDelete),
            Self::Owner => ActionSet::ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_roles_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Ok(role));
        }
        assert!(Role::parse("acrpull").is_err());
    }
}
