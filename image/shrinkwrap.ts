import { copyFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// `npm pack` and `npm publish`. Whoever installs the package gets the versions that trow was tested with: npm heeds a
// package's npm-shrinkwrap.json, and no package-lock.json. In a checkout npm would prefer it to the lock, so it goes again.

const root = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

if (process.argv[2] === 'remove') rmSync(root('npm-shrinkwrap.json'))
else copyFileSync(root('dist/package-lock.json'), root('npm-shrinkwrap.json'))
