use reqwest::header::{CONTENT_TYPE, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::http::{OCI_INDEX, OCI_MANIFEST, expect, header, json_of, send};
use super::support::{Http, Options, Orlop, digest_of};

/// An image manifest of one pushed layer.
pub async fn image(http: &Http, repository: &str, layer: &'static str) -> Value {
    let config = http.push_blob(repository, "{}").await;
    let digest = http.push_blob(repository, layer).await;
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.test.config", "digest": config, "size": 2},
        "layers": [{"mediaType": "text/plain", "digest": digest, "size": layer.len()}],
    })
}

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let mut content = image(&http, "a", "text").await.to_string();
    content.insert_str(1, " \n\t\"unknown\": [1, 2.50, \"\\u00e9\"],\r\n");
    let digest = digest_of(&content);
    let pushed = http.put_manifest("a", "1.0", OCI_MANIFEST, content.clone()).await;
    let pushed = expect(pushed, StatusCode::CREATED).await;
    assert_eq!(header(&pushed, "docker-content-digest"), digest);
    assert_eq!(header(&pushed, "location"), format!("/v2/a/manifests/{digest}"));
    for reference in ["1.0", &digest] {
        let path = format!("/v2/a/manifests/{reference}");
        let head = expect(http.head(&path).await, StatusCode::OK).await;
        let get = expect(http.get(&path).await, StatusCode::OK).await;
        for name in ["content-length", "content-type", "docker-content-digest", "etag"] {
            assert_eq!(header(&head, name), header(&get, name), "{name}");
        }
        assert_eq!(header(&get, "content-type"), OCI_MANIFEST);
        assert_eq!(header(&get, "content-length"), content.len().to_string());
        assert_eq!(get.text().await.unwrap(), content);
        let etag = format!("\"{digest}\"");
        let again = send(http.request(Method::GET, &path).header(IF_NONE_MATCH, etag)).await;
        expect(again, StatusCode::NOT_MODIFIED).await;
    }
}

#[tokio::test]
async fn a_push_by_digest_sets_the_tags_it_names() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let content = image(&http, "a", "text").await.to_string();
    let digest = digest_of(&content);
    let tags: Vec<_> = (0..12).map(|n| ("tag", format!("t{n:02}"))).collect();
    let request = http.request(Method::PUT, &format!("/v2/a/manifests/{digest}")).query(&tags);
    let request = request.header(CONTENT_TYPE, OCI_MANIFEST).body(content);
    let pushed = expect(send(request).await, StatusCode::CREATED).await;
    let told: Vec<_> = pushed.headers().get_all("oci-tag").iter().collect();
    assert_eq!(told, tags.iter().map(|(_, tag)| tag.as_str()).collect::<Vec<_>>());
    for (_, tag) in &tags {
        let head = expect(http.head(&format!("/v2/a/manifests/{tag}")).await, StatusCode::OK).await;
        assert_eq!(header(&head, "docker-content-digest"), digest);
    }
}

#[tokio::test]
async fn a_tag_moves_and_the_old_manifest_stays() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let old = http.push_artifact("a", "latest", b"old").await;
    let new = http.push_artifact("a", "latest", b"new").await;
    let head = expect(http.head("/v2/a/manifests/latest").await, StatusCode::OK).await;
    assert_eq!(header(&head, "docker-content-digest"), new);
    expect(http.get(&format!("/v2/a/manifests/{old}")).await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_deleted_tag_leaves_its_manifest_and_a_deleted_manifest_takes_its_tags() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_artifact("a", "one", b"text").await;
    http.push_artifact("a", "two", b"text").await;
    http.push_artifact("a", "three", b"text").await;
    let path = |reference: &str| format!("/v2/a/manifests/{reference}");
    expect(http.delete(&path("one")).await, StatusCode::ACCEPTED).await;
    expect(http.get(&path("one")).await, StatusCode::NOT_FOUND).await;
    expect(http.delete(&path("one")).await, StatusCode::NOT_FOUND).await;
    expect(http.get(&path("two")).await, StatusCode::OK).await;
    expect(http.get(&path(&digest)).await, StatusCode::OK).await;
    expect(http.delete(&path(&digest)).await, StatusCode::ACCEPTED).await;
    for reference in [digest.as_str(), "two", "three"] {
        expect(http.get(&path(reference)).await, StatusCode::NOT_FOUND).await;
    }
    let tags = json_of(http.get("/v2/a/tags/list").await).await;
    assert_eq!(tags["tags"], json!([]));
    http.push_artifact("a", "again", b"text").await;
    expect(http.get(&path(&digest)).await, StatusCode::OK).await;
}

#[tokio::test]
async fn an_index_holds_images_and_other_indexes() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let index_of = |media_type: &str, digest: &str, size: usize| {
        let child = json!({"mediaType": media_type, "digest": digest, "size": size});
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).to_string()
    };
    let image = image(&http, "a", "text").await.to_string();
    let inner = index_of(OCI_MANIFEST, &digest_of(&image), image.len());
    let outer = index_of(OCI_INDEX, &digest_of(&inner), inner.len());
    for (media_type, content) in [(OCI_MANIFEST, image), (OCI_INDEX, inner), (OCI_INDEX, outer)] {
        let digest = digest_of(&content);
        let pushed = http.put_manifest("a", &digest, media_type, content.clone()).await;
        expect(pushed, StatusCode::CREATED).await;
        let got = http.get(&format!("/v2/a/manifests/{digest}")).await;
        assert_eq!(expect(got, StatusCode::OK).await.text().await.unwrap(), content);
    }
}

#[tokio::test]
async fn without_sparse_indexes_the_children_come_first_and_go_last() {
    let config = Some("[registry]\nsparse_indexes = false\n".into());
    let orlop = Orlop::start(Options { config, ..Options::default() }).await;
    let http = orlop.http();
    let image = image(&http, "a", "text").await.to_string();
    let child = digest_of(&image);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, "digest": child, "size": image.len()}],
    })
    .to_string();
    let refused = http.put_manifest("a", "index", OCI_INDEX, index.clone()).await;
    let refused = expect(refused, StatusCode::BAD_REQUEST).await;
    let body = json_of(refused).await;
    assert_eq!(body["errors"][0]["code"], "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(body["errors"][0]["detail"]["digests"], json!([child]));
    let pushed = http.put_manifest("a", &child, OCI_MANIFEST, image).await;
    expect(pushed, StatusCode::CREATED).await;
    let pushed = http.put_manifest("a", "index", OCI_INDEX, index).await;
    expect(pushed, StatusCode::CREATED).await;
    let path = format!("/v2/a/manifests/{child}");
    expect(http.delete(&path).await, StatusCode::METHOD_NOT_ALLOWED).await;
    expect(http.get(&path).await, StatusCode::OK).await;
}

#[tokio::test]
async fn an_absent_nondistributable_layer_is_no_fault_and_may_come_later() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let mut manifest = image(&http, "a", "text").await;
    let absent = digest_of("absent");
    let foreign = json!({
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "digest": absent,
        "size": 6,
        "urls": ["https://example.com/layer"],
    });
    manifest["layers"].as_array_mut().unwrap().push(foreign);
    let pushed = http.put_manifest("a", "1", OCI_MANIFEST, manifest.to_string()).await;
    expect(pushed, StatusCode::CREATED).await;
    http.push_blob("a", "absent").await;
    let path = format!("/v2/a/blobs/{absent}");
    expect(http.delete(&path).await, StatusCode::METHOD_NOT_ALLOWED).await;
}

#[tokio::test]
async fn referrers_are_found_by_their_subject_and_filtered_by_type() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let subject = digest_of("not there yet");
    let mut digests = Vec::new();
    for (n, kind) in
        ["application/vnd.a", "application/vnd.b", "application/vnd.a"].iter().enumerate()
    {
        let mut manifest = image(&http, "a", "text").await;
        manifest["artifactType"] = json!(kind);
        manifest["annotations"] = json!({"n": n.to_string()});
        manifest["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": subject, "size": 13});
        let content = manifest.to_string();
        let digest = digest_of(&content);
        let pushed = http.put_manifest("a", &digest, OCI_MANIFEST, content.clone()).await;
        let pushed = expect(pushed, StatusCode::CREATED).await;
        assert_eq!(header(&pushed, "oci-subject"), subject);
        digests.push((digest, content.len()));
    }
    let path = format!("/v2/a/referrers/{subject}");
    let all = expect(http.get(&path).await, StatusCode::OK).await;
    assert_eq!(header(&all, "content-type"), OCI_INDEX);
    let all = json_of(all).await;
    assert_eq!(all["manifests"].as_array().unwrap().len(), 3);
    let second = all["manifests"].as_array().unwrap().iter().find(|m| m["digest"] == digests[1].0);
    assert_eq!(
        *second.unwrap(),
        json!({
            "mediaType": OCI_MANIFEST, "digest": digests[1].0, "size": digests[1].1,
            "artifactType": "application/vnd.b", "annotations": {"n": "1"},
        })
    );
    let some = http.get(&format!("{path}?artifactType=application%2Fvnd.a")).await;
    assert_eq!(header(&some, "oci-filters-applied"), "artifactType");
    assert_eq!(json_of(some).await["manifests"].as_array().unwrap().len(), 2);

    expect(http.delete(&format!("/v2/a/manifests/{}", digests[1].0)).await, StatusCode::ACCEPTED)
        .await;
    assert_eq!(json_of(http.get(&path).await).await["manifests"].as_array().unwrap().len(), 2);
    let nowhere = expect(http.get(&path.replace("/a/", "/b/")).await, StatusCode::OK).await;
    assert_eq!(json_of(nowhere).await["manifests"], json!([]));
}
