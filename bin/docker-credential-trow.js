#!/usr/bin/env node
import { start } from './newest-node.js'

await start('docker-credential-trow.js', 'cli/login/credential-helper')
