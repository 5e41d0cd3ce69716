#!/usr/bin/env node
import { start } from './newest-node.js'

await start('trow.js', 'cli/main')
