use super::{Action, ActionSet, RegistryAction, Role};
use crate::oci::{RepositoryName, RepositoryPattern};

/// What somebody may do: actions on repositories that match patterns, and on the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    grants: Vec<Grant>,
    catalog_read: bool,
    admin: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub pattern: RepositoryPattern,
    pub actions: ActionSet,
}

impl Rights {
    /// A role on the repositories of a pattern. `Owner` of all repositories runs the registry.
    pub fn add_role(&mut self, role: Role, pattern: RepositoryPattern) {
        self.admin |= role == Role::Owner && pattern.is_all();
        self.add(pattern, role.actions());
    }

    pub fn add(&mut self, pattern: RepositoryPattern, actions: ActionSet) {
        // Whoever may read something may ask what there is; the answer holds no more than that.
        self.catalog_read |= !actions.intersection(ActionSet::READ).is_empty();
        if !actions.is_empty() {
            self.grants.push(Grant { pattern, actions });
        }
    }

    pub fn add_all(&mut self, other: Self) {
        self.grants.extend(other.grants);
        self.catalog_read |= other.catalog_read;
        self.admin |= other.admin;
    }

    /// Tokens cover the catalog only if it was asked for.
    pub(super) fn set_catalog_read(&mut self, allowed: bool) {
        self.catalog_read = allowed;
    }

    pub fn may(&self, action: Action, repository: &RepositoryName) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.actions.contains(action) && grant.pattern.matches(repository))
    }

    pub fn may_in_registry(&self, action: RegistryAction) -> bool {
        match action {
            RegistryAction::CatalogRead => self.catalog_read,
            RegistryAction::Admin => self.admin,
        }
    }

    /// All that may be done with one repository.
    pub fn on(&self, repository: &RepositoryName) -> ActionSet {
        self.grants
            .iter()
            .filter(|grant| grant.pattern.matches(repository))
            .fold(ActionSet::NONE, |actions, grant| actions.union(grant.actions))
    }

    /// The repositories whose content or metadata may be read.
    pub fn readable(&self) -> Vec<RepositoryPattern> {
        let mut patterns: Vec<RepositoryPattern> = self
            .grants
            .iter()
            .filter(|grant| !grant.actions.intersection(ActionSet::READ).is_empty())
            .map(|grant| grant.pattern.clone())
            .collect();
        patterns.sort();
        patterns.dedup();
        patterns
    }

    /// What both allow. A restriction to repositories leaves nothing of the registry's management.
    #[must_use]
    pub fn restricted_to(&self, restriction: &Self) -> Self {
        let mut both = Self::default();
        for one in &self.grants {
            for two in &restriction.grants {
                if let Some(pattern) = one.pattern.intersection(&two.pattern) {
                    both.add(pattern, one.actions.intersection(two.actions));
                }
            }
        }
        both.admin = self.admin && restriction.admin;
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(roles: &[(Role, &str)]) -> Rights {
        let mut rights = Rights::default();
        for (role, pattern) in roles {
            rights.add_role(*role, RepositoryPattern::parse(pattern).unwrap());
        }
        rights
    }

    fn name(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn roles_add_up() {
        let rights = rights(&[(Role::AcrPull, "*"), (Role::AcrPush, "team/*")]);
        assert!(rights.may(Action::ContentWrite, &name("team/app")));
        assert!(!rights.may(Action::ContentWrite, &name("other/app")));
        assert!(rights.may(Action::ContentRead, &name("other/app")));
        assert!(!rights.may_in_registry(RegistryAction::Admin));
    }

    #[test]
    fn only_the_owner_of_everything_runs_the_registry() {
        assert!(rights(&[(Role::Owner, "*")]).may_in_registry(RegistryAction::Admin));
        assert!(!rights(&[(Role::Owner, "team/*")]).may_in_registry(RegistryAction::Admin));
    }

    #[test]
    fn a_restriction_only_takes_away() {
        let owner = rights(&[(Role::Owner, "*")]);
        let puller = rights(&[(Role::AcrPull, "team/*")]);
        assert_eq!(owner.restricted_to(&puller), puller);
        assert_eq!(puller.restricted_to(&owner), puller);
        let elsewhere = rights(&[(Role::AcrPull, "other/*")]);
        assert_eq!(elsewhere.restricted_to(&puller), Rights::default());
    }

    #[test]
    fn who_may_only_delete_reads_nothing() {
        let mut rights = Rights::default();
        rights.add(RepositoryPattern::all(), ActionSet::NONE.with(Action::ContentDelete));
        assert!(rights.readable().is_empty());
        assert!(!rights.may_in_registry(RegistryAction::CatalogRead));
    }
}
