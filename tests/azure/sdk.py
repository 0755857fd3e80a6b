"""Walks every public method of azure-containerregistry's client, in each way to sign in."""

import base64
import hashlib
import io
import json
import os

from azure.containerregistry import (
    ArtifactManifestOrder,
    ArtifactTagOrder,
    ContainerRegistryClient,
)
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)

ENDPOINT = os.environ["ENDPOINT"]
CA = {"connection_verify": os.environ["CERTIFICATE"]}
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Credential:
    def get_token(self, *scopes, **options):
        return AccessToken(os.environ["TOKEN"], 2**31)


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def raises(kind, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(f"{call.__name__}{arguments} raised no {kind.__name__}")


def descriptor(media_type, digest, size):
    return {"mediaType": media_type, "digest": digest, "size": size}


def push(client, repository, text, tag=None):
    """An artifact of one layer; its digest and bytes."""
    config, config_size = client.upload_blob(repository, io.BytesIO(b"{}"))
    layer, layer_size = client.upload_blob(repository, io.BytesIO(text))
    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.empty.v1+json", config, config_size),
        "layers": [descriptor("text/plain", layer, layer_size)],
    }).encode()
    digest = client.set_manifest(repository, io.BytesIO(manifest), tag=tag)
    assert digest == digest_of(manifest)
    return digest, manifest


def blobs(client, repository):
    large = os.urandom(9 * 1024 * 1024 + 17)  # Three chunks of the SDK's.
    for content in (b"", b"small", large):
        digest, size = client.upload_blob(repository, io.BytesIO(content))
        assert (digest, size) == (digest_of(content), len(content))
        if content:
            assert b"".join(client.download_blob(repository, digest)) == content
    client.delete_blob(repository, digest_of(b"small"))
    raises(ResourceNotFoundError, client.download_blob, repository, digest_of(b"small"))
    client.delete_blob(repository, digest_of(b"never there"))


def manifests(client, repository):
    one, content = push(client, repository, b"one", tag="1.0")
    two, _ = push(client, repository, b"two")
    by_tag = client.get_manifest(repository, "1.0")
    assert by_tag.digest == one and by_tag.media_type == OCI_MANIFEST
    assert json.loads(content) == by_tag.manifest
    assert client.get_manifest(repository, two).digest == two
    raises(ResourceNotFoundError, client.get_manifest, repository, "absent")

    order = ArtifactManifestOrder
    listed = lambda **options: [
        item.digest for item in client.list_manifest_properties(repository, **options)
    ]
    assert sorted(listed(results_per_page=1)) == sorted([one, two])
    assert listed(order_by=order.LAST_UPDATED_ON_ASCENDING, results_per_page=1) == [one, two]
    assert listed(order_by=order.LAST_UPDATED_ON_DESCENDING, results_per_page=1) == [two, one]

    shown = client.get_manifest_properties(repository, "1.0")
    assert shown.digest == one and shown.tags == ["1.0"] and shown.repository_name == repository
    assert shown.size_in_bytes == len(content) + 2 + 3, shown.size_in_bytes
    assert shown.created_on.tzinfo and shown.last_updated_on >= shown.created_on
    assert shown.can_delete and shown.can_read and shown.can_write and shown.can_list
    locked = client.update_manifest_properties(repository, one, can_delete=False, can_write=False)
    assert not locked.can_delete and not locked.can_write and locked.can_read and locked.can_list
    refused = raises(HttpResponseError, client.delete_manifest, repository, one)
    assert refused.status_code == 405, refused
    client.update_manifest_properties(repository, "1.0", can_delete=True, can_write=True)
    client.delete_manifest(repository, "1.0")
    raises(ResourceNotFoundError, client.get_manifest_properties, repository, one)
    client.delete_manifest(repository, two)
    client.delete_manifest(repository, two)


def tags(client, repository):
    digest, manifest = push(client, repository, b"tagged", tag="b")
    for tag in ("c", "a"):
        client.set_manifest(repository, io.BytesIO(manifest), tag=tag)
    order = ArtifactTagOrder
    listed = lambda **options: [
        item.name for item in client.list_tag_properties(repository, **options)
    ]
    assert listed() == ["a", "b", "c"]
    assert listed(results_per_page=2) == ["a", "b", "c"]
    assert listed(order_by=order.LAST_UPDATED_ON_ASCENDING, results_per_page=2) == ["b", "c", "a"]
    assert listed(order_by=order.LAST_UPDATED_ON_DESCENDING, results_per_page=1) == ["a", "c", "b"]

    shown = client.get_tag_properties(repository, "a")
    assert (shown.name, shown.digest) == ("a", digest)
    locked = client.update_tag_properties(repository, "a", can_write=False)
    assert not locked.can_write and locked.can_delete
    refused = raises(HttpResponseError, client.delete_tag, repository, "a")
    assert refused.status_code == 405, refused
    refused = raises(
        HttpResponseError, client.set_manifest, repository, io.BytesIO(manifest), tag="a"
    )
    assert refused.status_code == 405, refused
    locked.can_write = True
    assert client.update_tag_properties(repository, "a", locked).can_write
    client.delete_tag(repository, "a")
    raises(ResourceNotFoundError, client.get_tag_properties, repository, "a")
    client.delete_tag(repository, "a")
    assert client.get_manifest_properties(repository, digest).tags == ["b", "c"]


def repositories(client, repository):
    push(client, "other/one", b"text", tag="1.0")
    names = list(client.list_repository_names(results_per_page=1))
    assert repository in names and "other/one" in names, names
    shown = client.get_repository_properties("other/one")
    assert (shown.name, shown.manifest_count, shown.tag_count) == ("other/one", 1, 1)
    locked = client.update_repository_properties("other/one", can_delete=False)
    assert not locked.can_delete and locked.can_write
    refused = raises(HttpResponseError, client.delete_repository, "other/one")
    assert refused.status_code == 405, refused
    client.update_repository_properties("other/one", can_delete=True)
    client.delete_repository("other/one")
    raises(ResourceNotFoundError, client.get_repository_properties, "other/one")
    client.delete_repository("other/one")


def all_of(client, repository):
    for part in (blobs, manifests, tags, repositories):
        part(client, repository)


def anonymous(owner):
    digest, manifest = push(owner, "public/app", b"open to all", tag="1.0")
    push(owner, "private/app", b"not open", tag="1.0")
    client = ContainerRegistryClient(ENDPOINT, **CA)
    assert list(client.list_repository_names()) == ["public/app"]
    assert client.get_manifest("public/app", "1.0").digest == digest
    assert client.get_tag_properties("public/app", "1.0").digest == digest
    assert client.get_manifest_properties("public/app", digest).tags == ["1.0"]
    layer = digest_of(b"open to all")
    assert b"".join(client.download_blob("public/app", layer)) == b"open to all"
    for call in (client.delete_tag, client.get_manifest, client.get_tag_properties):
        repository = "public/app" if call == client.delete_tag else "private/app"
        raises(ClientAuthenticationError, call, repository, "1.0")


basic = base64.b64encode(f"{os.environ['USERNAME']}:{os.environ['PASSWORD']}".encode()).decode()
with_token = ContainerRegistryClient(ENDPOINT, Credential(), **CA)
with_password = ContainerRegistryClient(
    ENDPOINT, base_headers={"Authorization": f"Basic {basic}"}, **CA
)
all_of(with_token, "sdk/token")
print("token: all passed")
all_of(with_password, "sdk/password")
print("password: all passed")
anonymous(with_password)
print("anonymous: all passed")
