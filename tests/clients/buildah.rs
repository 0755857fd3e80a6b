use crate::support::{ADMIN, Options, Orlop, PASSWORD, Workspace};

#[tokio::test]
async fn buildah_builds_pushes_and_pulls() {
    let workspace = Workspace::new();
    let Some(buildah) = workspace.tool("buildah") else { return };
    workspace.write("policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#);
    workspace.write("registries.conf", "");
    workspace.write("hello.txt", "hello image\n");
    // A store of its own, without mounts.
    let path = |name| workspace.path(name).display().to_string();
    let store = format!("--root {} --runroot {} --storage-driver vfs", path("store"), path("run"));
    let policy = format!("--signature-policy {}", path("policy.json"));
    let buildah = buildah
        .env("BUILDAH_ISOLATION", "chroot")
        .env("CONTAINERS_REGISTRIES_CONF", path("registries.conf"));
    let probe = buildah.attempt(&format!("{store} info"), b"").await;
    if !probe.succeeded {
        return buildah.skip(&format!("it cannot work for this user: {}", probe.stderr.trim()));
    }
    let server = Orlop::start(Options::default()).await;
    let host = server.host();
    let image = format!("docker://{host}/samples/built:1.0");

    buildah.run(format!("login --tls-verify=false -u {ADMIN} -p {PASSWORD} {host}")).await;
    let container = buildah.run(format!("{store} from {policy} scratch")).await;
    let container = container.text();
    buildah.run(format!("{store} copy {container} hello.txt /hello.txt")).await;
    buildah.run(format!("{store} config --label made=by-buildah {container}")).await;
    let id = buildah.run(format!("{store} commit -q {policy} {container} built")).await;
    let push = format!("{store} push {policy} --tls-verify=false --digestfile digest built");
    buildah.run(format!("{push} {image}")).await;

    let digest = String::from_utf8(workspace.read("digest")).expect("the digest is text");
    let head = server.http().head("/v2/samples/built/manifests/1.0").await;
    assert_eq!(head.headers()["docker-content-digest"], digest.trim());

    buildah.run(format!("{store} rm {container}")).await;
    buildah.run(format!("{store} rmi {}", id.text())).await;
    buildah.run(format!("{store} pull {policy} --tls-verify=false {image}")).await;
    let pulled =
        buildah.run(format!("{store} inspect --type image {host}/samples/built:1.0")).await;
    assert_eq!(pulled.json()["OCIv1"]["config"]["Labels"]["made"], "by-buildah");
    assert_eq!(pulled.json()["FromImageDigest"], digest.trim());
}
