import fc from 'fast-check'

const component = fc.constantFrom('a', 'b', 'library', 'acme', 'app', 'f', 'ghcr.io', 'a_b', 'x--y')
const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const host = fc.constantFrom(
  '',
  'ghcr.io/',
  'GHCR.io/',
  'ghcr.io:443/',
  'ghcr.io:0443/',
  'ghcr.io:5000/',
  'docker.io/',
  'index.docker.io/',
  'a.corp.example/',
  'A.b.corp.example:8443/',
  'trow.local:31000/',
  'TROW.local:31000/',
  'trow.local:31000/f/ghcr.io/',
  'trow.local:31000/f/docker.io/',
  'localhost/',
  'LOCALHOST:5000/',
  'Acme/',
  'registry:443/',
  'registry:5000/',
  '1.2.3.4/',
  '[2001:DB8::1]:5000/',
  '[::1]:443/',
)
const tag = fc.constantFrom('', ':latest', ':v1', ':1.2_3-x')
const digest = fc.constantFrom('', '', `@sha256:${'a'.repeat(64)}`, `@sha256:${'b'.repeat(64)}`)

/** Names as users and attackers write them; most of them are valid. */
export const anyName: fc.Arbitrary<string> = fc.tuple(host, path, tag, digest).map((parts) => parts.join(''))

/** Canonical scopes that cover some of them. */
export const anyScope: fc.Arbitrary<string> = fc.constantFrom(
  '*',
  '@trow',
  '@trow/acme',
  'ghcr.io',
  'ghcr.io/acme',
  'ghcr.io/acme/app',
  'ghcr.io:5000',
  'docker.io/library',
  'docker.io/acme',
  'docker.io',
  '*.corp.example',
  '*.b.corp.example:8443',
  'localhost',
  '[2001:db8::1]:5000',
)
