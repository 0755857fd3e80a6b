use serde_json::json;

use super::{Actor, AdministrationError, check_plain_name, check_text, record};
use crate::auth::{ActionSet, Auth, Role};
use crate::metadata::scope_maps::{self, Rule, ScopeMap};
use crate::metadata::{Alone, retry};
use crate::oci::RepositoryPattern;

const MAX_RULES: usize = 500;

impl Auth {
    /// All scope maps with their rules.
    ///
    /// # Errors
    /// [`AdministrationError`] if the database fails.
    pub async fn scope_maps(&self) -> Result<Vec<(ScopeMap, Vec<Rule>)>, AdministrationError> {
        let mut connection = self.0.database.read().await?;
        let mut found = Vec::new();
        for scope_map in scope_maps::list(&mut connection).await? {
            let rules = scope_maps::rules(&mut connection, scope_map.id).await?;
            found.push((scope_map, rules));
        }
        Ok(found)
    }

    /// # Errors
    /// [`AdministrationError::Unknown`].
    pub async fn scope_map(
        &self,
        name: &str,
    ) -> Result<(ScopeMap, Vec<Rule>), AdministrationError> {
        let mut connection = self.0.database.read().await?;
        let scope_map = scope_maps::by_name(&mut connection, name)
            .await?
            .ok_or_else(|| AdministrationError::unknown("scope map", name))?;
        let rules = scope_maps::rules(&mut connection, scope_map.id).await?;
        Ok((scope_map, rules))
    }

    /// Makes a scope map or replaces it. Whom it is assigned to has the new rights at once.
    ///
    /// # Errors
    /// [`AdministrationError::Invalid`].
    pub async fn put_scope_map(
        &self,
        actor: &Actor<'_>,
        name: &str,
        description: &str,
        rules: &[(RepositoryPattern, ActionSet)],
    ) -> Result<(), AdministrationError> {
        check(name, rules)?;
        check_text("description", description)?;
        let rules: Vec<Rule> = rules
            .iter()
            .map(|(pattern, actions)| Rule {
                pattern: pattern.to_string(),
                actions: actions.to_string(),
            })
            .collect();
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            scope_maps::put(&mut transaction, name, description, &rules).await?;
            let lines: Vec<_> =
                rules.iter().map(|rule| format!("{} {}", rule.pattern, rule.actions)).collect();
            record(&mut transaction, actor, "scope-map.put", name, &json!({ "rules": lines }))
                .await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// # Errors
    /// [`AdministrationError::Unknown`] or [`AdministrationError::Assigned`].
    pub async fn remove_scope_map(
        &self,
        actor: &Actor<'_>,
        name: &str,
    ) -> Result<(), AdministrationError> {
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let scope_map = scope_maps::by_name(&mut transaction, name)
                .await?
                .ok_or_else(|| AdministrationError::unknown("scope map", name))?;
            if scope_maps::is_assigned(&mut transaction, scope_map.id).await? {
                return Err(AdministrationError::Assigned(name.into()));
            }
            scope_maps::delete(&mut transaction, scope_map.id).await?;
            record(&mut transaction, actor, "scope-map.delete", name, &json!({})).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}

fn check(name: &str, rules: &[(RepositoryPattern, ActionSet)]) -> Result<(), AdministrationError> {
    check_plain_name("scope map", name)?;
    if Role::parse(name).is_ok() {
        return Err(AdministrationError::invalid(format!("{name} is a role")));
    }
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(AdministrationError::invalid(format!(
            "a scope map has 1 to {MAX_RULES} rules, not {}",
            rules.len()
        )));
    }
    for (n, (pattern, actions)) in rules.iter().enumerate() {
        if actions.is_empty() {
            return Err(AdministrationError::invalid(format!(
                "the rule for {pattern} allows nothing"
            )));
        }
        if rules[..n].iter().any(|(other, _)| other == pattern) {
            return Err(AdministrationError::invalid(format!("{pattern} has two rules")));
        }
    }
    Ok(())
}
