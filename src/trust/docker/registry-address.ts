import { BlockList, isIP } from 'node:net'
import { exitCode, UserError } from '../../user-error.ts'
import { isDocker, isVirtual, titleOf, type ContainerEngine } from './engine.ts'

/** The registries whose certificates an engine does not verify, as it reports them. */
export interface InsecureRegistries {
  /** `HOST` or `HOST:PORT`. */
  readonly hosts: readonly string[]
  /** `127.0.0.0/8`. */
  readonly ranges: readonly string[]
}

/** Returns `host` without its port and without the brackets of an IPv6 address. */
export function nameOf(host: string): string {
  return host.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')
}

/**
 * Refuses an address that means another machine inside this engine, or whose certificate the engine would not
 * verify. `addresses` are those to which the name resolves on this machine. Throws UserError LOOPBACK_IN_VM,
 * LOOPBACK_NOT_VERIFIED.
 */
export function checkAddress(engine: ContainerEngine, host: string, addresses: readonly string[]): void {
  const name = nameOf(host)
  const literal = name === 'localhost' || isLoopback(name)
  if (literal && isVirtual(engine.kind)) throw inMachine(engine, host)
  if (!isDocker(engine.kind)) return
  if (literal) throw notVerified(host, `${name} is loopback`)
  const address = meantBy(engine, addresses).find(isLoopback)
  if (address !== undefined) throw notVerified(host, `${name} resolves to ${address}`)
}

/** Throws UserError REGISTRY_INSECURE. */
export function checkVerified(
  engine: ContainerEngine,
  host: string,
  addresses: readonly string[],
  { hosts, ranges }: InsecureRegistries,
): void {
  const listed = hosts.includes(host) ? host : undefined
  const found =
    listed ?? ranges.find((range) => meantBy(engine, addresses).some((each) => isInside(each, range)))
  if (found === undefined) return
  throw new UserError(
    'REGISTRY_INSECURE',
    `${titleOf(engine)} has ${found} among its insecure registries: it would not verify any certificate at ${host}`,
    {
      hint: isDocker(engine.kind)
        ? 'Take it out of "insecure-registries" in daemon.json (Docker Desktop: Settings, Docker Engine), restart the engine, then run this again.'
        : 'Take "insecure = true" of it out of registries.conf, then run this again.',
    },
  )
}

/**
 * Drops loopback addresses for an engine in a VM: what the name resolves to inside the VM is not known
 * outside.
 */
function meantBy({ kind }: ContainerEngine, addresses: readonly string[]): readonly string[] {
  return isVirtual(kind) ? addresses.filter((each) => !isLoopback(each)) : addresses
}

function notVerified(host: string, why: string): UserError {
  return new UserError(
    'LOOPBACK_NOT_VERIFIED',
    `dockerd verifies no certificate at ${host}: ${why}, and all of that counts as insecure for it`,
    {
      hint:
        `No CA is needed there, and none would help: docker push ${host}/… works as it is, whoever answers.\n` +
        '  For verified TLS give an address that is not loopback (--registry HOST:PORT); trow push verifies by itself.',
      exitCode: exitCode.usage,
    },
  )
}

function inMachine(engine: ContainerEngine, host: string): UserError {
  const other = host.replace(/^(?:\[[^\]]*\]|[^:]*)/, 'host.docker.internal')
  return new UserError(
    'LOOPBACK_IN_VM',
    `${titleOf(engine)} runs in a VM of its own: ${host} would be that VM, not this machine`,
    {
      hint: `Use --registry ${other}, and the same name in references; the certificate of trow connect has it.`,
      exitCode: exitCode.usage,
    },
  )
}

function isLoopback(address: string): boolean {
  return isInside(address, '127.0.0.0/8') || isInside(address, '::1/128')
}

function isInside(address: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/')
  const family = isIP(address)
  if (family === 0 || isIP(network) !== family) return false
  const list = new BlockList()
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  list.addSubnet(network, Number(bits), kind)
  return list.check(address, kind)
}
