use serde::{Deserialize, Serialize};

use super::{Action, ActionSet, RegistryAction, Rights};
use crate::oci::{RepositoryName, RepositoryPattern};

/// Scopes that one token request may name; more are not read. With the longest names a token for
/// that many still fits into a header.
const MAX_SCOPES: usize = 50;

/// What a client asks a token for, as `repository:NAME:pull,push` or `registry:catalog:*`
/// (distribution, "Token Scope Documentation").
#[derive(Debug, PartialEq, Eq)]
pub enum Scope {
    Repository(RepositoryName, ActionSet),
    Catalog,
}

impl Scope {
    /// Reads the values of `scope` parameters, each of one scope or several between blanks.
    ///
    /// What is malformed or unknown asks for nothing: clients send such as `registry:None:*`, and
    /// expect a token for the rest.
    pub fn parse_all<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        values
            .into_iter()
            .flat_map(str::split_ascii_whitespace)
            .take(MAX_SCOPES)
            .filter_map(Self::parse)
            .collect()
    }

    fn parse(text: &str) -> Option<Self> {
        // A name may hold colons of a port, so it is what stands between the first and the last.
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        // `repository(plugin)` names a class of repositories, which makes no difference here.
        let kind = kind.split('(').next().unwrap_or_default();
        match (kind, name) {
            ("repository", name) => {
                Some(Self::Repository(RepositoryName::parse(name).ok()?, parse_actions(actions)))
            }
            // What was deleted is listed to whom the rest is.
            ("registry", "catalog" | "deleted_catalog")
                if actions.split(',').any(|word| word == "*") =>
            {
                Some(Self::Catalog)
            }
            _ => None,
        }
    }
}

fn parse_actions(words: &str) -> ActionSet {
    words
        .split(',')
        .map(|word| match word {
            "*" => ActionSet::ALL,
            // Azure's clients ask so to see and to restore what was deleted.
            "deleted_read" => ActionSet::NONE.with(Action::MetadataRead),
            "deleted_restore" => ActionSet::NONE.with(Action::ContentWrite),
            word => Action::ALL.into_iter().filter(|action| action.scope_word() == word).collect(),
        })
        .fold(ActionSet::NONE, ActionSet::union)
}

/// One entry of the `access` claim: what a token allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    pub actions: Vec<String>,
}

impl Access {
    /// The part of what was asked for that `rights` allow; scopes with nothing left are dropped.
    pub fn granted(asked: &[Scope], rights: &Rights) -> Vec<Self> {
        let mut access: Vec<Self> = Vec::new();
        for scope in asked {
            let (kind, name, actions) = match scope {
                Scope::Repository(name, actions) => {
                    let allowed = actions.intersection(rights.on(name));
                    let words = allowed.iter().map(Action::scope_word).collect();
                    ("repository", name.as_str(), words)
                }
                Scope::Catalog if rights.may_in_registry(RegistryAction::CatalogRead) => {
                    ("registry", "catalog", vec!["*"])
                }
                Scope::Catalog => continue,
            };
            if !actions.is_empty() {
                access.push(Self {
                    kind: kind.into(),
                    name: name.into(),
                    actions: actions.into_iter().map(Into::into).collect(),
                });
            }
        }
        access
    }

    /// The rights that the entries of an `access` claim give.
    pub fn rights(entries: &[Self]) -> Rights {
        let mut rights = Rights::default();
        let mut catalog = false;
        for entry in entries {
            match (entry.kind.as_str(), entry.name.as_str()) {
                ("repository", name) => {
                    if let Ok(name) = RepositoryName::parse(name) {
                        let actions = parse_actions(&entry.actions.join(","));
                        rights.add(RepositoryPattern::exact(&name), actions);
                    }
                }
                ("registry", "catalog") => catalog = true,
                _ => {}
            }
        }
        rights.set_catalog_read(catalog);
        rights
    }
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;

    fn name(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    fn owner_of(pattern: &str) -> Rights {
        let mut rights = Rights::default();
        rights.add_role(Role::Owner, RepositoryPattern::parse(pattern).unwrap());
        rights
    }

    #[test]
    fn scopes_come_one_a_value_or_split_by_blanks() {
        let scopes = Scope::parse_all([
            "repository:a/b:pull,push repository:c:delete",
            "registry:catalog:*",
        ]);
        let pull_push = ActionSet::NONE.with(Action::ContentRead).with(Action::ContentWrite);
        let delete = ActionSet::NONE.with(Action::ContentDelete);
        assert_eq!(
            scopes,
            [
                Scope::Repository(name("a/b"), pull_push),
                Scope::Repository(name("c"), delete),
                Scope::Catalog,
            ]
        );
    }

    #[test]
    fn a_star_asks_for_every_action() {
        let scopes = Scope::parse_all(["repository(plugin):a:*"]);
        assert_eq!(scopes, [Scope::Repository(name("a"), ActionSet::ALL)]);
    }

    #[test]
    fn malformed_and_unknown_scopes_ask_for_nothing() {
        for text in [
            "",
            "repository",
            "repository:a",
            "repository:A:pull",
            "registry:None:*",
            "repository:*:pull",
            "repository:../a:pull",
            "artifact-repository:a:pull",
            ":::",
        ] {
            assert!(Scope::parse_all([text]).is_empty(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_token_gets_more_than_the_rights_allow(text in "[a-z:,*/ ()_]{0,80}") {
            let rights = owner_of("a/*");
            let access = Access::granted(&Scope::parse_all([text.as_str()]), &rights);
            for entry in access {
                proptest::prop_assert!(entry.name.starts_with("a/") || entry.kind == "registry");
            }
        }
    }

    #[test]
    fn a_token_gets_what_is_asked_for_and_allowed() {
        let asked = Scope::parse_all([
            "repository:team/app:pull,push repository:other:pull registry:catalog:*",
        ]);
        let access = Access::granted(&asked, &owner_of("team/*"));
        assert_eq!(access.len(), 2);
        assert_eq!(
            (access[0].name.as_str(), access[0].actions.join(",")),
            ("team/app", "pull,push".into())
        );
        assert_eq!(access[1].name, "catalog");

        let rights = Access::rights(&access);
        assert!(rights.may(Action::ContentWrite, &name("team/app")));
        assert!(!rights.may(Action::ContentDelete, &name("team/app")));
        assert!(!rights.may(Action::ContentRead, &name("other")));
        assert!(rights.may_in_registry(RegistryAction::CatalogRead));
    }

    #[test]
    fn a_token_for_a_repository_lists_no_catalog() {
        let asked = Scope::parse_all(["repository:team/app:pull"]);
        let rights = Access::rights(&Access::granted(&asked, &owner_of("*")));
        assert!(!rights.may_in_registry(RegistryAction::CatalogRead));
        assert!(!rights.may_in_registry(RegistryAction::Admin));
    }
}
