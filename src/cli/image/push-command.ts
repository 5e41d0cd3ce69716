import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { OciError } from '../../oci/oci-error.ts'
import { parseRepositoryName, type RepositoryName } from '../../oci/repository-name.ts'
import { parseTag, type Tag } from '../../oci/tag.ts'
import { pushImage } from '../../image/push-image.ts'
import { reasonOf } from '../../reason-of.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { RegistryCredentials } from '../../upstream/token-service.ts'
import { storedDockerCredential } from '../../login/stored-credential.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import { isLoopback } from '../../loopback.ts'
import type { Terminal } from '../streams.ts'
import { withPusher } from '../upstream/with-pusher.ts'
import { trowVersion } from '../version.ts'
import { addBuildOptions, buildOwnImage, type BuildFlags } from './build.ts'

interface PushFlags extends BuildFlags {
  readonly ca?: string
  readonly plainHttp?: boolean
  readonly username?: string
  readonly passwordStdin?: boolean
}

/** Docker Hub is reached at another name than the one that images and logins have. */
const hub = {
  names: ['docker.io', 'index.docker.io'],
  registry: 'registry-1.docker.io',
  login: 'index.docker.io',
}

export function pushCommand({ terminal }: CommandContext): Command {
  const command = new Command('push')
    .description("push trow's own image to a registry that the nodes can reach, with its platforms")
    .argument('<reference>', 'HOST[:PORT]/REPOSITORY[:TAG], the tag being the version of trow unless told')
    .option('--ca <file>', 'CA of the registry, PEM')
    .option('--plain-http', 'HTTP without TLS (loopback is HTTP anyway)')
    .option('--username <name>', "user name (default: docker's login for the registry)")
    .option('--password-stdin', 'read the password from standard input')
  return addBuildOptions(command).action(async (given: string, flags: PushFlags) => {
    const { host, repository, tag } = parseTarget(given)
    const credentials = await credentialsFor(host, flags, terminal)
    const ca = flags.ca === undefined ? undefined : readCa(flags.ca)
    const image = await buildOwnImage(flags, terminal)
    await withPusher({ origin: originOf(host, flags), ca, credentials }, (pusher) =>
      pushImage(image, {
        pusher,
        repository,
        reference: tag,
        report: ({ digest, size }, outcome) =>
          void terminal.stderr.write(`${digest.slice(0, 19)} ${humanSize(size)}: ${outcome}\n`),
      }),
    )
    terminal.stdout.write(`${host}/${repository}:${tag}@${image.index.digest}\n`)
  })
}

/** Throws UserError REFERENCE_INVALID. */
function parseTarget(given: string): {
  readonly host: string
  readonly repository: RepositoryName
  readonly tag: Tag
} {
  const [, host = '', path = '', tag = trowVersion()] = /^([^/]+)\/(.+?)(?::([^/:]*))?$/.exec(given) ?? []
  try {
    if (!/^(localhost|.*[.:].*)$/.test(host) || given.includes('@'))
      throw new OciError('NAME_INVALID', 'the registry is missing')
    return { host, repository: parseRepositoryName(path), tag: parseTag(tag) }
  } catch (cause) {
    if (!(cause instanceof OciError)) throw cause
    throw new UserError('REFERENCE_INVALID', `"${given}" is no place to push to: ${cause.message}`, {
      hint: 'Write HOST[:PORT]/REPOSITORY[:TAG], registry.example.com/team/trow for example.',
      cause,
      exitCode: exitCode.usage,
    })
  }
}

function originOf(host: string, { ca, plainHttp }: PushFlags): string {
  if (hub.names.includes(host)) return `https://${hub.registry}`
  const name = host.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')
  return `${plainHttp === true || (isLoopback(name) && ca === undefined) ? 'http' : 'https'}://${host}`
}

async function credentialsFor(
  host: string,
  { username, passwordStdin }: PushFlags,
  { env, stdin }: Terminal,
): Promise<RegistryCredentials | undefined> {
  if (username === undefined) return storedDockerCredential(hub.names.includes(host) ? hub.login : host, env)
  return { username, password: passwordStdin === true ? (await text(stdin)).trim() : '' }
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UserError('FILE_MISSING', `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}
