"""The part of azure-containerregistry's client for asyncio that speaks for itself: it shares the
shapes with the other one, but has a transport and paging of its own."""

import asyncio
import base64
import hashlib
import io
import json
import os

from azure.containerregistry import ArtifactTagOrder
from azure.containerregistry.aio import ContainerRegistryClient
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
    async def get_token(self, *scopes, **options):
        return AccessToken(os.environ["TOKEN"], 2**31)

    async def close(self):
        pass


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


async def raises(kind, call, *arguments, **options):
    try:
        await call(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(f"{call.__name__}{arguments} raised no {kind.__name__}")


def descriptor(media_type, content):
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


async def walk(client, repository):
    large = os.urandom(9 * 1024 * 1024 + 17)  # Three chunks of the SDK's.
    for content in (b"{}", large):
        uploaded = await client.upload_blob(repository, io.BytesIO(content))
        assert uploaded == (digest_of(content), len(content)), uploaded
        stream = await client.download_blob(repository, digest_of(content))
        assert b"".join([chunk async for chunk in stream]) == content
    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [descriptor("application/octet-stream", large)],
    }).encode()
    for tag in ("b", "c", "a"):
        assert await client.set_manifest(repository, io.BytesIO(manifest), tag=tag)
    assert (await client.get_manifest(repository, "a")).digest == digest_of(manifest)

    assert repository in [name async for name in client.list_repository_names(results_per_page=1)]
    newest = ArtifactTagOrder.LAST_UPDATED_ON_DESCENDING
    tags = client.list_tag_properties(repository, order_by=newest, results_per_page=1)
    assert [tag.name async for tag in tags] == ["a", "c", "b"]
    manifests = client.list_manifest_properties(repository)
    assert [item.tags async for item in manifests] == [["a", "b", "c"]]
    assert (await client.get_repository_properties(repository)).tag_count == 3

    locked = await client.update_tag_properties(repository, "a", can_delete=False)
    assert not locked.can_delete
    refused = await raises(HttpResponseError, client.delete_tag, repository, "a")
    assert refused.status_code == 405, refused
    await client.update_tag_properties(repository, "a", can_delete=True)
    await client.delete_tag(repository, "a")
    await raises(ResourceNotFoundError, client.get_tag_properties, repository, "a")
    await client.update_manifest_properties(repository, "b", can_write=True)
    await client.delete_manifest(repository, "b")
    await client.delete_blob(repository, digest_of(large))
    await client.delete_repository(repository)
    await raises(ResourceNotFoundError, client.get_repository_properties, repository)


async def main():
    name = f"{os.environ['USERNAME']}:{os.environ['PASSWORD']}".encode()
    basic = {"Authorization": f"Basic {base64.b64encode(name).decode()}"}
    for way, credential, options in (
        ("token", Credential(), {}),
        ("password", None, {"base_headers": basic}),
    ):
        async with ContainerRegistryClient(ENDPOINT, credential, **options, **CA) as client:
            await walk(client, f"async/{way}")
        print(f"{way}: all passed")
    async with ContainerRegistryClient(ENDPOINT, **CA) as client:
        await raises(ClientAuthenticationError, client.get_manifest, "private/app", "1.0")
    print("anonymous: refused")


asyncio.run(main())
