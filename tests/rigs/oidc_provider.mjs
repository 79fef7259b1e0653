// An OpenID provider nobody here wrote (npm: oidc-provider) for the tests: any name signs in, one client.
// node oidc_provider.mjs PORT FRONT_PAGE
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [port, front] = process.argv.slice(2);
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'inbox',
    client_secret: 'a+secret/with=signs',
    redirect_uris: [`${front}/sign-in/callback`],
    post_logout_redirect_uris: [`${front}/signed-out`],
    backchannel_logout_uri: `${front}/sign-out/back-channel`,
    backchannel_logout_session_required: true,
  }],
  pkce: { required: () => true },
  claims: { openid: ['sub', 'sid'], email: ['email', 'email_verified'], profile: ['name'] },
  features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id.replace(/\d+$/, '')}@example.org`, email_verified: id !== 'unverified' }),
  }),
  jwks: { keys: [{ ...pair.privateKey.export({ format: 'jwk' }), kid: 'first', use: 'sig', alg: 'RS256' }] },
  cookies: { keys: ['for tests only'] },
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // its own dispatcher refuses this machine's addresses
});

provider.on('backchannel.error', (_ctx, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1');
