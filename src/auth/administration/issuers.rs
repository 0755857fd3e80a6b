use serde_json::json;

use super::{Actor, AdministrationError, check_plain_name, record};
use crate::auth::federation::Condition;
use crate::auth::{Auth, Role, secret};
use crate::metadata::federation_rules::{self, FederationRule, NewFederationRule};
use crate::metadata::trusted_issuers::{self, NewTrustedIssuer, TrustedIssuer};
use crate::metadata::{Alone, identities, retry};
use crate::oci::RepositoryPattern;

pub struct NewIssuer<'a> {
    pub name: &'a str,
    pub url: &'a str,
    pub audience: &'a str,
    pub groups_claim: Option<&'a str>,
    pub client_id: Option<&'a str>,
    pub client_secret: Option<&'a str>,
}

/// Whom or what claims stand for.
#[derive(Clone, Copy, Debug)]
pub enum StandsFor<'a> {
    /// The name of a user or service principal.
    Identity(&'a str),
    Role(Role, &'a RepositoryPattern),
}

impl Auth {
    /// # Errors
    /// [`AdministrationError`] if the database fails.
    pub async fn issuers(&self) -> Result<Vec<TrustedIssuer>, AdministrationError> {
        Ok(trusted_issuers::list(&mut *self.0.database.read().await?).await?)
    }

    /// # Errors
    /// [`AdministrationError::Unknown`].
    pub async fn issuer(
        &self,
        name: &str,
    ) -> Result<(TrustedIssuer, Vec<FederationRule>), AdministrationError> {
        let mut connection = self.0.database.read().await?;
        let issuer = trusted_issuers::by_name(&mut connection, name).await?;
        let issuer = issuer.ok_or_else(|| AdministrationError::unknown("issuer", name))?;
        let rules = federation_rules::of_issuer(&mut connection, issuer.id).await?;
        Ok((issuer, rules))
    }

    /// Trusts the ID tokens of an issuer, once rules say what they stand for.
    ///
    /// # Errors
    /// [`AdministrationError::Exists`] or [`AdministrationError::Invalid`].
    pub async fn add_issuer(
        &self,
        actor: &Actor<'_>,
        new: &NewIssuer<'_>,
    ) -> Result<TrustedIssuer, AdministrationError> {
        check_plain_name("issuer", new.name)?;
        self.0
            .providers
            .url(new.url)
            .map_err(|error| AdministrationError::invalid(error.to_string()))?;
        if new.audience.is_empty() {
            return Err(AdministrationError::invalid(
                "the audience is missing: name what the issuer writes into the claim aud of tokens \
                 for this registry",
            ));
        }
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            if trusted_issuers::by_name(&mut transaction, new.name).await?.is_some() {
                return Err(AdministrationError::exists("issuer", new.name));
            }
            if trusted_issuers::by_url(&mut transaction, new.url).await?.is_some() {
                return Err(AdministrationError::exists("issuer", new.url));
            }
            let row = NewTrustedIssuer {
                uid: &secret::uid(),
                name: new.name,
                url: new.url,
                audience: new.audience,
                groups_claim: new.groups_claim,
                client_id: new.client_id,
                client_secret: new.client_secret,
            };
            let issuer = trusted_issuers::insert(&mut transaction, &row).await?;
            let detail = json!({
                "url": new.url,
                "audience": new.audience,
                "groupsClaim": new.groups_claim,
                "clientId": new.client_id,
            });
            record(&mut transaction, actor, "issuer.create", new.name, &detail).await?;
            transaction.commit().await?;
            Ok(issuer)
        })
        .await
    }

    /// Trusts an issuer no longer; all that was issued on its tokens ends.
    ///
    /// # Errors
    /// [`AdministrationError::Unknown`].
    pub async fn remove_issuer(
        &self,
        actor: &Actor<'_>,
        name: &str,
    ) -> Result<(), AdministrationError> {
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let issuer = trusted_issuers::by_name(&mut transaction, name).await?;
            let issuer = issuer.ok_or_else(|| AdministrationError::unknown("issuer", name))?;
            trusted_issuers::delete(&mut transaction, issuer.id).await?;
            record(&mut transaction, actor, "issuer.delete", name, &json!({})).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// Lets the ID tokens of an issuer whose claims meet a condition stand for something.
    ///
    /// # Errors
    /// [`AdministrationError::Unknown`] or [`AdministrationError::Invalid`].
    pub async fn add_federation_rule(
        &self,
        actor: &Actor<'_>,
        issuer: &str,
        condition: &str,
        stands_for: StandsFor<'_>,
    ) -> Result<String, AdministrationError> {
        Condition::parse(condition)
            .map_err(|error| AdministrationError::invalid(error.to_string()))?;
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let trusted = trusted_issuers::by_name(&mut transaction, issuer).await?;
            let trusted = trusted.ok_or_else(|| AdministrationError::unknown("issuer", issuer))?;
            let uid = secret::uid();
            let (identity_id, role, pattern) = match stands_for {
                StandsFor::Identity(name) => {
                    let identity = identities::by_name(&mut transaction, name).await?;
                    let identity =
                        identity.ok_or_else(|| AdministrationError::unknown("identity", name))?;
                    (Some(identity.id), None, None)
                }
                StandsFor::Role(role, pattern) => {
                    (None, Some(role.as_str()), Some(pattern.to_string()))
                }
            };
            let rule = NewFederationRule {
                uid: &uid,
                issuer_id: trusted.id,
                condition,
                identity_id,
                role,
                pattern: pattern.as_deref(),
            };
            federation_rules::insert(&mut transaction, &rule).await?;
            let detail = match stands_for {
                StandsFor::Identity(name) => {
                    json!({ "id": uid, "condition": condition, "identity": name })
                }
                StandsFor::Role(role, pattern) => json!({
                    "id": uid,
                    "condition": condition,
                    "role": role.as_str(),
                    "repositories": pattern,
                }),
            };
            record(&mut transaction, actor, "issuer.add-rule", issuer, &detail).await?;
            transaction.commit().await?;
            Ok(uid)
        })
        .await
    }

    /// # Errors
    /// [`AdministrationError::Unknown`].
    pub async fn remove_federation_rule(
        &self,
        actor: &Actor<'_>,
        issuer: &str,
        uid: &str,
    ) -> Result<(), AdministrationError> {
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let trusted = trusted_issuers::by_name(&mut transaction, issuer).await?;
            let trusted = trusted.ok_or_else(|| AdministrationError::unknown("issuer", issuer))?;
            let rules = federation_rules::of_issuer(&mut transaction, trusted.id).await?;
            if !rules.iter().any(|rule| rule.uid == uid) {
                return Err(AdministrationError::unknown("rule", uid));
            }
            federation_rules::delete(&mut transaction, uid).await?;
            record(&mut transaction, actor, "issuer.remove-rule", issuer, &json!({ "id": uid }))
                .await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}
