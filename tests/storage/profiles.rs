//! Credentials from the files that Amazon's tools share.

use std::path::Path;
use std::process::Command;

use super::support::S3;
use super::{Options, Orlop, pull};

const KEY: &str = "test-key";
const SECRET: &str = "test-secret";

/// What names the store, but neither its keys nor its service.
fn store(s3: &S3) -> (String, String) {
    let environment = s3.environment();
    environment.into_iter().find(|(name, _)| name == "ORLOP__STORAGE__URL").expect("it has one")
}

fn write(home: &Path, name: &str, content: &str) {
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    std::fs::write(home.join(".aws").join(name), content).unwrap();
}

fn variables<const N: usize>(variables: [(&str, &str); N]) -> Vec<(String, String)> {
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// How a server ends that cannot start with these.
fn refusal(home: &Path, environment: Vec<(String, String)>) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_orlop"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(home.join("data"))
        .envs(environment)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    said
}

/// Keys, region and endpoint of a profile reach the bucket; those of another are refused.
#[tokio::test]
async fn a_profile_opens_the_bucket() {
    let Some(s3) = S3::start().await else { return };
    let home = tempfile::tempdir().unwrap();
    let keys = format!(
        "[default]\naws_access_key_id = {KEY}\naws_secret_access_key = wrong\n\
         [registry]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    );
    write(home.path(), "credentials", &keys);
    let endpoint = s3.endpoint();
    let settings = format!(
        "[default]\nregion = us-east-1\nendpoint_url = {endpoint}/\n\
         [profile registry]\nregion = us-east-1\nendpoint_url = {endpoint}/\n"
    );
    write(home.path(), "config", &settings);
    let at_home = home.path().display().to_string();

    let mut environment = variables([("HOME", &at_home), ("AWS_PROFILE", "registry")]);
    environment.push(store(&s3));
    let orlop = Orlop::start(Options { environment, ..Options::default() }).await;
    let digest = orlop.http().push_blob("a", "by a profile").await;
    assert_eq!(pull(&orlop.http(), &digest).await, "by a profile");
    assert_eq!(s3.keys().await.len(), 1);

    // Nobody named one: `default` is taken.
    let mut environment = variables([("HOME", &at_home)]);
    environment.push(store(&s3));
    let said = refusal(home.path(), environment);
    assert!(said.contains("SignatureDoesNotMatch"), "{said}");

    // Keys of the environment count before those of any profile.
    let mut environment = variables([
        ("HOME", &at_home),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ]);
    environment.push(store(&s3));
    let orlop = Orlop::start(Options { environment, ..Options::default() }).await;
    orlop.http().push_blob("a", "by the environment").await;

    // Files elsewhere; the settings' endpoint counts before the profile's.
    let elsewhere = home.path().join(".aws/config").display().to_string();
    let mut environment = variables([
        ("AWS_SHARED_CREDENTIALS_FILE", &*elsewhere.replace("config", "credentials")),
        ("AWS_CONFIG_FILE", &*elsewhere),
        ("AWS_PROFILE", "registry"),
        ("ORLOP__STORAGE__ENDPOINT", "http://127.0.0.1:1"),
    ]);
    environment.push(store(&s3));
    let said = refusal(home.path(), environment);
    assert!(said.contains("127.0.0.1:1"), "{said}");
}

/// What cannot be done is told at the start, with its name.
#[test]
fn a_profile_that_cannot_be_used_is_told_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let settings = "[profile role]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = keys\n\
                    [profile people]\nsso_session = work\n\
                    [profile program]\ncredential_process = /bin/keys\n";
    write(home.path(), "config", settings);
    write(home.path(), "credentials", "[half]\naws_access_key_id = a\n");
    let with = |profile: &str| {
        let at_home = home.path().display().to_string();
        refusal(
            home.path(),
            variables([
                ("HOME", &*at_home),
                ("AWS_PROFILE", profile),
                ("ORLOP__STORAGE__URL", "s3://blobs"),
                ("ORLOP__STORAGE__ENDPOINT", "http://127.0.0.1:1"),
            ]),
        )
    };
    for (profile, reason) in [
        ("role", "role_arn is not supported"),
        ("people", "sso_session is not supported"),
        ("program", "credential_process is not supported"),
        ("half", "aws_secret_access_key is missing"),
        ("nobody", "it stands neither in the file of credentials"),
    ] {
        let said = with(profile);
        assert!(said.contains(&format!("{profile:?}")) && said.contains(reason), "{said}");
    }
}
