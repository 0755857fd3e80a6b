// An OpenID provider on loopback for the tests, by the library oidc-provider.
//
//   node oidc-provider.mjs FOLDER-OF-NODE-MODULES CALLBACK-URL
//
// It prints one line of JSON: its issuer URL, and its private keys, with which a test makes tokens that the
// provider itself would never make (expired ones, say). Whoever signs in with a browser says who they are in the
// query parameter login_hint of the authorization request: a JSON object of claims with a `sub`.
// A line on stdin is a command: `rotate` replaces the keys, `down` and `up` hide and show the keys.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [folder, callback] = process.argv.slice(2);
const load = createRequire(`${folder}/index.js`);
const { default: Provider } = await import(pathToFileURL(load.resolve('oidc-provider')).href);

const CLAIMS = ['sub', 'repository', 'ref', 'groups'];
const accounts = new Map();
let down = false;
let handler;

const server = createServer((request, response) => {
  if (down && request.url.startsWith('/jwks')) {
    response.writeHead(503).end();
  } else {
    handler(request, response);
  }
});

function makeKeys() {
  const kid = randomBytes(8).toString('hex');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
  return { kid, jwk, pem: privateKey.export({ format: 'pem', type: 'pkcs8' }) };
}

function start(issuer) {
  const keys = makeKeys();
  const provider = new Provider(issuer, {
    jwks: { keys: [keys.jwk] },
    clients: [
      { client_id: 'orlop', client_secret: 'a-client-secret', redirect_uris: [callback],
        token_endpoint_auth_method: 'client_secret_post' },
      { client_id: 'another', redirect_uris: [callback], token_endpoint_auth_method: 'none' },
    ],
    claims: { openid: CLAIMS },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => accounts.has(id) && { accountId: id, claims: () => accounts.get(id) },
    cookies: { keys: [randomBytes(16).toString('hex')] },
  });
  const answer = provider.callback();
  handler = async (request, response) => {
    if (!request.url.startsWith('/interaction/')) return answer(request, response);
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    if (prompt.name === 'login') {
      const claims = JSON.parse(params.login_hint);
      accounts.set(claims.sub, claims);
      const login = { accountId: claims.sub };
      return provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
    }
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope('openid');
    const consent = { grantId: await grant.save() };
    return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
  };
  console.log(JSON.stringify({ issuer, kid: keys.kid, key: keys.pem }));
}

server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  start(issuer);
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      if (line === 'rotate') start(issuer);
      else {
        down = line === 'down';
        console.log(JSON.stringify({ down }));
      }
    })
    .on('close', () => process.exit());
});
