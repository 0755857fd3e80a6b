use serde_json::json;

use super::{Actor, AdministrationError, NewSecret, check_text, end_after, named, record};
use crate::auth::secret::{self, SecretKind};
use crate::auth::{ActionSet, Auth};
use crate::metadata::credentials::{self, CredentialKind, NewCredential};
use crate::metadata::identities::IdentityKind;
use crate::metadata::{Alone, retry};
use crate::oci::RepositoryPattern;

impl Auth {
    /// Makes a personal access token for the user who asks and nobody else. It has the user's rights, or the part
    /// of them that `rules` allow.
    ///
    /// # Errors
    /// [`AdministrationError::NotInPerson`] if the caller showed a token:
    /// a token must not beget tokens that outlive it or can do more.
    pub async fn add_personal_token(
        &self,
        actor: &Actor<'_>,
        name: &str,
        label: &str,
        seconds: Option<u32>,
        rules: &[(RepositoryPattern, ActionSet)],
    ) -> Result<NewSecret, AdministrationError> {
        check_text("label", label)?;
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let user = named(&mut transaction, IdentityKind::User, name).await?;
            if actor.caller.name() != name || !actor.caller.in_person() {
                return Err(AdministrationError::NotInPerson(name.into()));
            }
            let text = secret::generate(SecretKind::PersonalToken);
            let lines: Vec<_> =
                rules.iter().map(|(pattern, actions)| format!("{pattern} {actions}")).collect();
            let restriction = (!lines.is_empty()).then(|| lines.join("\n"));
            let credential = NewCredential {
                uid: &secret::uid(),
                identity_id: user.id,
                kind: CredentialKind::Token,
                label,
                hash: &secret::hash(&text),
                restriction: restriction.as_deref(),
                expires_at: end_after(seconds),
            };
            let credential = credentials::insert(&mut transaction, &credential).await?;
            let detail = json!({ "id": credential.uid, "label": label, "rules": lines });
            record(&mut transaction, actor, "user.add-token", name, &detail).await?;
            transaction.commit().await?;
            Ok(NewSecret { text, credential })
        })
        .await
    }
}
