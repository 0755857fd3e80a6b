use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::samples::{artifact, digest, image, index, sbom, signature};
use crate::site::Site;
use crate::support::http::{OCI_MANIFEST, expect};
use crate::support::{Http, Options, Orlop, digest_of};

async fn small(http: &Http, repository: &str, tag: &str) {
    let layer = ("text/plain", tag.as_bytes());
    artifact(http, repository, Some(tag), "application/vnd.example", layer, json!({})).await;
}

#[tokio::test]
async fn repositories_are_searched_ordered_and_shown_by_namespace() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    for name in ["team/app", "team/sub/deep", "other/app", "plain", "under_score"] {
        small(&http, name, "1").await;
    }
    let site = Site::admin(&server).await;
    let page = site.shown("/").await;
    page.holds(">team/</a>").holds(">other/</a>").holds("/r/team/sub/deep");
    let page = site.shown("/?in=team").await;
    page.holds(">sub/</a>").holds("/r/team/app").lacks("/r/other/app");
    for part in ["app", "APP"] {
        let page = site.shown(&format!("/?q={part}")).await;
        page.holds("/r/team/app").holds("/r/other/app").lacks("/r/plain");
    }
    site.shown("/?q=nothing").await.holds("No repository");
    // What a pattern would mean in SQL is meant as it is.
    site.shown("/?q=_").await.holds("/r/under_score").lacks("/r/plain");
    site.shown("/?q=%25").await.lacks("/r/plain");
    let page = site.shown("/?sort=new").await;
    let at = |name: &str| page.text.find(&format!("/r/{name}\"")).unwrap();
    assert!(at("under_score") < at("plain") && at("plain") < at("team/app"));
}

#[tokio::test]
async fn a_long_list_of_tags_is_read_page_by_page_in_each_order() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    small(&http, "many/tags", "first").await;
    let manifest = expect(http.get("/v2/many/tags/manifests/first").await, StatusCode::OK).await;
    let manifest = manifest.text().await.unwrap();
    let mut names = vec!["first".to_owned()];
    for n in 0..119 {
        let tag = format!("v{n:03}");
        let answer = http.put_manifest("many/tags", &tag, OCI_MANIFEST, manifest.clone());
        expect(answer.await, StatusCode::CREATED).await;
        names.push(tag);
    }
    let site = Site::admin(&server).await;
    for (sort, expected) in [
        ("name", names.clone()),
        ("old", names.clone()),
        ("", names.iter().rev().cloned().collect()),
    ] {
        let mut found = Vec::new();
        let mut next = format!("/r/many/tags?sort={sort}");
        loop {
            let page = site.shown(&next).await;
            found.extend(tags_of(&page.text));
            if !page.text.contains("Next page</a>") {
                break;
            }
            next = page.link("Next page");
        }
        assert_eq!(found, expected, "{sort}");
    }
    let page = site.shown("/r/many/tags?q=v01").await;
    assert_eq!(tags_of(&page.text).len(), 10);
}

/// The tags in the order in which a page lists them.
fn tags_of(text: &str) -> Vec<String> {
    let cells = text.split("<td class=\"name\"><a href=\"").skip(1);
    let names = cells.map(|cell| cell.split(['>', '<']).nth(1).unwrap().to_owned());
    names.collect()
}

#[tokio::test]
async fn an_image_is_shown_with_all_that_belongs_to_it() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let one = image(&http, "team/app", None, "one").await;
    let two = image(&http, "team/app", Some("two"), "two").await;
    let both = index(&http, "team/app", "1.0", &[("amd64", &one), ("arm64", &two)]).await;
    let sbom = sbom(&http, "team/app", &both, &[("zlib", "1.3"), ("openssl", "3.1")]).await;
    signature(&http, "team/app", &both).await;
    signature(&http, "team/app", &sbom).await;
    let site = Site::admin(&server).await;

    let page = site.shown("/r/team/app").await;
    page.holds("signed").holds("Multi-platform").holds("linux/amd64");
    let page = site.shown("/r/team/app/-/manifests/1.0").await;
    let host = server.host();
    for command in [
        format!("docker pull {host}/team/app:1.0"),
        format!("podman pull --tls-verify=false {host}/team/app:1.0"),
        format!("oras copy {host}/team/app:1.0 --from-plain-http --to-oci-layout app:1.0"),
    ] {
        page.holds(&command);
    }
    page.holds("linux/arm64").holds("<strong>SBOM</strong>").holds("<strong>Signature</strong>");
    // The signature of the SBOM hangs below it.
    let tree = &page.text[page.text.find("class=\"tree\"").unwrap()..];
    assert!(tree.contains("<ul><li>"), "{tree}");

    let page = site.shown("/r/team/app/-/manifests/two").await;
    page.holds("/app/server --now").holds("VERSION").holds("COPY two /app").holds("ADD base");
    // The base is shared with the other image, which is tagged through its index alone.
    page.holds("class=\"shared\"").holds("/-/manifests/1.0\">1.0</a>");
    let files = site.shown(&page.link("COPY two /app")).await;
    files.holds("app/server").holds("-rwxr-xr-x").holds("removes").lacks("etc/passwd");

    let page = site.shown(&format!("/r/team/app/-/manifests/{}", digest(&sbom))).await;
    let document = page.text.split("/-/documents/").nth(1).unwrap().split('"').next().unwrap();
    let document = format!("/r/team/app/-/documents/{document}");
    site.shown(&document).await.holds("SBOM, SPDX").holds("zlib").holds("3.1").holds("MIT");
    let found = site.shown(&format!("{document}&q=OPENSSL")).await;
    found.holds("openssl").lacks("zlib");
}

#[tokio::test]
async fn two_tags_are_compared_by_layers_config_and_packages() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let one = image(&http, "team/app", Some("one"), "one").await;
    let two = image(&http, "team/app", Some("two"), "two").await;
    sbom(&http, "team/app", &one, &[("zlib", "1.2"), ("old", "1"), ("same", "1")]).await;
    sbom(&http, "team/app", &two, &[("zlib", "1.3"), ("new", "1"), ("same", "1")]).await;
    let site = Site::admin(&server).await;
    let page = site.shown("/r/team/app/-/compare?a=one&b=two").await;
    for row in
        ["VERSION <span class=\"badge\">environment", "zlib <span", "1.2", "1.3", "old", "new"]
    {
        page.holds(row.trim_end_matches(" <span"));
    }
    page.lacks(">same<");
    let base = crate::samples::archive(&[("etc/passwd", b"root"), ("usr/bin/tool", b"a tool")]);
    page.lacks(&digest_of(base)["sha256:".len()..][..12]);
    let same = site.shown("/r/team/app/-/compare?a=one&b=one").await;
    same.holds("Both name the same manifest");
    let unknown = site.get("/r/team/app/-/compare?a=one&b=none").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    site.shown("/r/team/app/-/compare?a=one").await.holds("<option value=\"two\">");
}

#[tokio::test]
async fn commands_fit_the_kind_of_artifact() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let host = server.host();
    let config = http.push_blob("charts/web", &b"{}"[..]).await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": config, "size": 2},
    });
    crate::samples::manifest(&http, "charts/web", Some("0.1.0"), &manifest).await;
    small(&http, "files/notes", "1").await;
    let site = Site::admin(&server).await;
    let page = site.shown("/r/charts/web/-/manifests/0.1.0").await;
    page.holds(&format!("helm pull oci://{host}/charts/web --version 0.1.0 --plain-http"));
    page.lacks("docker pull");
    let page = site.shown("/r/files/notes/-/manifests/1").await;
    // Without names of files, oras can take it only as it is.
    let copy = format!("oras copy {host}/files/notes:1 --from-plain-http --to-oci-layout notes:1");
    page.holds(&copy).lacks("docker pull");
}

#[tokio::test]
async fn what_was_deleted_is_listed_page_by_page_the_newest_first() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let mut names: Vec<_> = (0..120).map(|n| format!("v{n:03}")).collect();
    for name in &names {
        small(&http, "many/gone", name).await;
    }
    for name in &names {
        let digest =
            expect(http.head(&format!("/v2/many/gone/manifests/{name}")).await, StatusCode::OK);
        let digest = digest.await.headers()["docker-content-digest"].to_str().unwrap().to_owned();
        let delete = http.request(Method::DELETE, &format!("/v2/many/gone/manifests/{digest}"));
        expect(delete.send().await.unwrap(), StatusCode::ACCEPTED).await;
    }
    names.reverse();
    let site = Site::admin(&server).await;
    for (button, rows) in [
        ("Older tags", "Restore<span class=\"unseen\"> v"),
        ("Older manifests", "<td data-label=\"Kind\">"),
    ] {
        let (mut next, mut found, mut counts) =
            ("/r/many/gone/-/deleted".to_owned(), Vec::new(), Vec::new());
        loop {
            let page = site.shown(&next).await;
            found.extend(
                page.text
                    .split("<tr><td class=\"name\">v")
                    .skip(1)
                    .map(|rest| format!("v{}", &rest[..3])),
            );
            counts.push(page.text.matches(rows).count());
            if !page.text.contains(&format!("{button}</a>")) {
                break;
            }
            next = page.link(button);
        }
        assert_eq!(counts, [50, 50, 20], "{button}");
        // The other list stays at its first page meanwhile.
        if button == "Older tags" {
            assert_eq!(found, names);
        }
    }
    let page =
        site.shown("/r/many/gone/-/deleted?tag=v000&tag_at=1&manifest=x&manifest_at=1").await;
    page.holds("There is no more.").holds("The newest</a>");
    let odd = site.get("/r/many/gone/-/deleted?tag_at=yesterday").await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn hostile_layers_and_documents_are_told_apart_from_good_ones() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let site = Site::admin(&server).await;
    let noise: Vec<u8> = (0..5000u32).map(|n| (n * 7919 % 251) as u8).collect();
    for content in [&b"no archive"[..], &[0x1f, 0x8b, 8, 0], &noise] {
        let digest = http.push_blob("team/odd", content.to_vec()).await;
        let page = site.shown(&format!("/r/team/odd/-/layers/{digest}")).await;
        page.holds("no archive that can be read");
        // Nothing of it is taken for a page.
        let page = site.shown(&format!("/r/team/odd/-/documents/{digest}")).await;
        page.holds("<pre");
    }
    let page = site.get(&format!("/r/team/odd/-/layers/{}", digest_of("absent"))).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    for path in ["/r/team/odd/-/layers/nonsense", "/r/team/odd/-/manifests/a%20b", "/r/UPPER"] {
        let page = site.get(path).await;
        assert!(page.status.is_client_error(), "{path}: {}", page.status);
        page.holds("<!doctype html>");
    }
}
