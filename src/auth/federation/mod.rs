//! Sign-in by ID tokens of trusted issuers (OpenID Connect Core 1.0), so that programs need no
//! secret here: a CI job shows the token that its own system gave it.

mod condition;
mod id_token;
mod provider;

use serde_json::Value;
use sqlx::AnyConnection;

pub use condition::{Condition, ConditionError};
pub use id_token::{Claimed, claimed, is_jwt, verify};
pub use provider::{ProviderError, Providers, VerifyingKey, trusted_url};

use super::sign_in::{Basis, SignIn, add_assigned, assigned_rights, read_pattern, read_role};
use super::{Auth, AuthError, Rights, secret};
use crate::metadata::federated_sign_ins::{FederatedSignIn, NewFederatedSignIn};
use crate::metadata::federation_rules::FederationRule;
use crate::metadata::identities::IdentityKind;
use crate::metadata::trusted_issuers::TrustedIssuer;
use crate::metadata::{
    MetadataError, federated_sign_ins, federation_rules, identities, now, retry, roles,
    trusted_issuers,
};

/// Groups of one subject that are looked up; more are not read.
const MAX_GROUPS: usize = 200;

/// Whom or what the claims of an ID token stand for.
enum Standing {
    /// An identity with the rights of its own.
    Identity(i64),
    /// Rights that rules and groups give.
    Rights(Rights),
}

impl Auth {
    /// Who shows this ID token, if a trusted issuer made it for this registry and a rule or a
    /// group stands for its claims.
    pub(super) async fn sign_in_with_id_token(&self, token: &str) -> Result<SignIn, AuthError> {
        let claimed = id_token::claimed(token)?;
        let mut connection = self.0.database.read().await?;
        let issuer = trusted_issuers::by_url(&mut connection, &claimed.issuer).await?;
        drop(connection);
        let issuer = issuer.ok_or(AuthError::InvalidToken("its issuer is not trusted"))?;
        let claims = self.verify_id_token(token, &issuer, &issuer.audience).await?;
        let seconds = self.0.federated_sign_in_seconds;
        self.sign_in_with_claims(token, &issuer, &claims, seconds).await
    }

    /// The claims of an ID token that the issuer made for the audience.
    pub(super) async fn verify_id_token(
        &self,
        token: &str,
        issuer: &TrustedIssuer,
        audience: &str,
    ) -> Result<Value, AuthError> {
        let claimed = id_token::claimed(token)?;
        let key = self.0.providers.key(&issuer.url, claimed.kid.as_deref()).await;
        let key =
            key.map_err(|cause| AuthError::IssuerAway { name: issuer.name.clone(), cause })?;
        let key = key.ok_or(AuthError::InvalidToken("its issuer has no such key"))?;
        id_token::verify(token, &key, &issuer.url, audience)
    }

    /// Keeps the sign-in for `seconds`, in which its claims decide the rights.
    pub(super) async fn sign_in_with_claims(
        &self,
        token: &str,
        issuer: &TrustedIssuer,
        claims: &Value,
        seconds: u32,
    ) -> Result<SignIn, AuthError> {
        let subject = id_token::subject(claims)?;
        // The same token signs in once, however often it is shown.
        let uid = &secret::hash(token)[..32];
        let mut connection = self.0.database.read().await?;
        if let Some(known) = federated_sign_ins::by_uid(&mut connection, uid).await? {
            drop(connection);
            return self.standing_of_claims(known).await;
        }
        let standing = standing(&mut connection, issuer, claims).await?;
        drop(connection);
        let Some(standing) = standing else {
            tracing::info!(issuer = issuer.name, subject, "no rule stands for the ID token");
            return Err(AuthError::WrongCredentials);
        };
        let sign_in = retry(async || {
            let mut transaction = self.0.database.begin().await?;
            let identity_id = match standing {
                Standing::Identity(id) => id,
                // No user's name has a colon.
                Standing::Rights(_) => {
                    let name = format!("{}:{subject}", issuer.name);
                    identities::find_or_create_federated(&mut transaction, &secret::uid(), &name)
                        .await?
                }
            };
            let new = NewFederatedSignIn {
                uid,
                identity_id,
                issuer_id: issuer.id,
                claims: &claims.to_string(),
                expires_at: now() + i64::from(seconds) * 1_000_000,
            };
            let sign_in = federated_sign_ins::put(&mut transaction, &new).await?;
            transaction.commit().await?;
            Ok::<_, AuthError>(sign_in)
        })
        .await?;
        self.standing_of_claims(sign_in).await
    }

    /// The rights of a sign-in by the rules of this moment, if they still stand for it.
    pub(super) async fn standing_of_claims(
        &self,
        sign_in: FederatedSignIn,
    ) -> Result<SignIn, AuthError> {
        let mut connection = self.0.database.read().await?;
        let identity = identities::by_id(&mut connection, sign_in.identity_id).await?;
        let issuer = trusted_issuers::by_id(&mut connection, sign_in.issuer_id).await?;
        let identity = identity.filter(|identity| identity.enabled);
        let Some((identity, issuer)) = identity.zip(issuer) else {
            return Err(AuthError::WrongCredentials);
        };
        let damaged = |_| MetadataError::Damaged { column: "claims", value: sign_in.uid.clone() };
        let claims: Value = serde_json::from_str(&sign_in.claims).map_err(damaged)?;
        let mut rights = match standing(&mut connection, &issuer, &claims).await? {
            Some(Standing::Identity(id)) if id == identity.id => Rights::default(),
            Some(Standing::Rights(rights)) if identity.kind == IdentityKind::Federated => rights,
            _ => return Err(AuthError::WrongCredentials),
        };
        rights.add_all(assigned_rights(&mut connection, identity.id).await?);
        let expires_at = Some(sign_in.expires_at);
        let basis = Basis::Federated(sign_in);
        Ok(SignIn { identity, basis, rights, expires_at, in_person: false })
    }
}

/// By the first rule that stands for an identity, else by all that give a role and by the groups.
async fn standing(
    connection: &mut AnyConnection,
    issuer: &TrustedIssuer,
    claims: &Value,
) -> Result<Option<Standing>, MetadataError> {
    let mut rights = Rights::default();
    for rule in federation_rules::of_issuer(connection, issuer.id).await? {
        if !read_condition(&rule)?.holds(claims) {
            continue;
        }
        match (rule.identity_id, &rule.role, &rule.pattern) {
            (Some(id), ..) => return Ok(Some(Standing::Identity(id))),
            (None, Some(role), Some(pattern)) => {
                rights.add_role(read_role(role)?, read_pattern(pattern)?);
            }
            (None, ..) => {}
        }
    }
    for group in groups(issuer, claims) {
        for row in roles::of_group(connection, &group).await? {
            add_assigned(&mut rights, &row)?;
        }
    }
    Ok((rights != Rights::default()).then_some(Standing::Rights(rights)))
}

/// The groups that the claims list, under the issuer's name: another issuer's are not the same.
fn groups(issuer: &TrustedIssuer, claims: &Value) -> Vec<String> {
    let Some(claim) = &issuer.groups_claim else { return Vec::new() };
    let listed = claims[claim.as_str()].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = listed.iter().filter_map(Value::as_str).take(MAX_GROUPS);
    names.map(|name| format!("{}:{name}", issuer.name)).collect()
}

fn read_condition(rule: &FederationRule) -> Result<Condition, MetadataError> {
    Condition::parse(&rule.condition)
        .map_err(|_| MetadataError::Damaged { column: "condition", value: rule.condition.clone() })
}
