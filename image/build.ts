import { fileURLToPath } from 'node:url'
import { buildDist } from './dist.ts'

// `npm run build`

buildDist(fileURLToPath(new URL('../dist', import.meta.url)))
