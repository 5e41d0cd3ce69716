import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

// `openid-provider.ts NAME ADDRESS FOLDER`: an OpenID provider at https://NAME on port 443 of ADDRESS, with tls.crt and
// tls.key of FOLDER. GET /token?project=PATH gives what a CI system gives a job of that project.

const [name = '', address = '', folder = ''] = process.argv.slice(2)
const issuer = `https://${name}`
const { privateKey, publicKey } = await generateKeyPair('ES256')
const key = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }
const read = (file: string): Buffer => readFileSync(join(folder, file))

createServer({ cert: read('tls.crt'), key: read('tls.key') }, (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', issuer)
  if (pathname === '/.well-known/openid-configuration')
    response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }))
  else if (pathname === '/keys') response.end(JSON.stringify({ keys: [key] }))
  else if (pathname === '/token')
    void sign(searchParams.get('project') ?? '').then((token) => response.end(token))
  else response.writeHead(404).end()
}).listen(443, address, () => console.log('ready'))

function sign(project: string): Promise<string> {
  return new SignJWT({ project_path: project })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(issuer)
    .setAudience('trow')
    .setSubject(`project_path:${project}:ref_type:branch:ref:main`)
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(privateKey)
}
