// Plain JavaScript that the oldest Node still parses: it finds a Node that is new enough, and the program.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { availableParallelism, constants, homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** As `engines` of package.json: what is tested. */
const isSupported = (major, minor) => (major === 24 && minor >= 15) || major >= 26
const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** Runs `main` of `src/<entry>.ts`, or of what was built from it. `program` is the file in this folder that was started. */
export async function start(program, entry) {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (!isSupported(major, minor)) return startElsewhere(program)
  // One pool serves all threads; it is made on first use, so this must stand before everything else.
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(16, 16 * Math.min(availableParallelism(), 4)))
  // Compiled code is kept: the next start takes half the time. The variable is for the threads.
  const caches = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const { directory } = module.enableCompileCache(
    process.env.NODE_COMPILE_CACHE ?? join(caches, 'trow', 'compiled'),
  )
  if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= join(caches, 'trow', 'compiled')
  const source = here(`../src/${entry}.ts`)
  const { main } = await import(existsSync(source) ? source : here(`../dist/${entry}.js`))
  await main()
}

function startElsewhere(program) {
  // A checkout has its own Node among the development dependencies.
  const own = here('../node_modules/node/bin/node')
  if (existsSync(own) && process.execPath !== own) {
    const child = spawn(own, [here(program), ...process.argv.slice(2)], { stdio: 'inherit' })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
    child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)))
  } else {
    console.error(
      `trow: this is Node ${process.versions.node}, trow needs Node 24.15 or a later 24, or 26 or later: install it from https://nodejs.org and run trow again`,
    )
    process.exit(1)
  }
}
