//! The docker CLI signs in by itself; everything else of it needs an engine.

use crate::support::{ADMIN, Options, Orlop, PASSWORD, Workspace};

#[tokio::test]
async fn docker_signs_in_and_out() {
    let workspace = Workspace::new();
    let Some(docker) = workspace.tool("docker") else { return };
    // There may be an engine, which would sign in in the CLI's place.
    let docker = docker.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let server = Orlop::start(Options::default()).await;
    let host = server.host();

    let login = format!("login {host} --username {ADMIN}");
    let said = docker.run_with_input(format!("{login} --password-stdin"), PASSWORD).await;
    assert!(said.stdout.contains("Login Succeeded"), "{}", said.stdout);
    assert!(workspace.json(".docker/config.json")["auths"][&host].is_object());
    docker.run(format!("{login} --password {PASSWORD}")).await;

    docker.run(format!("logout {host}")).await;
    assert!(workspace.json(".docker/config.json")["auths"][&host].is_null());
}

#[tokio::test]
async fn docker_is_refused_with_a_wrong_password() {
    let workspace = Workspace::new();
    let Some(docker) = workspace.tool("docker") else { return };
    let docker = docker.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let server = Orlop::start(Options::default()).await;

    let login = format!("login {} --username {ADMIN} --password wrong", server.host());
    let said = docker.refused(login).await;
    assert!(said.stderr.to_lowercase().contains("unauthorized"), "{}", said.stderr);
    assert!(!workspace.path(".docker/config.json").exists());
}
