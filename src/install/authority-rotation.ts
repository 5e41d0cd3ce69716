import { counted } from '../counted.ts'
import { X509Certificate } from 'node:crypto'
import { isCovered, type CertificateAuthority } from '../certificates/certificate-authority.ts'
import type { Layout } from '../cluster/layout.ts'
import { isReady } from '../cluster/pod-problem.ts'
import { reportLife } from '../cluster/node-report.ts'
import { certificatesInPem } from '../pem-bundle.ts'
import { UserError, exitCode } from '../user-error.ts'
import { NodePresence } from './node-presence.ts'
import type { PatientObjects } from './patient-objects.ts'
import { StoredAuthority } from './stored-authority.ts'

export interface RotationParts {
  readonly objects: PatientObjects
  readonly layout: Layout
  /** Makes a CA with the names of `current`, the CA that signs now, and with `hosts` besides. */
  readonly makeAuthority: (current: string, hosts: readonly string[]) => Promise<CertificateAuthority>
  /**
   * Returns the leaf certificate that the registry presents now, as PEM; rejects if the registry does not
   * answer.
   */
  readonly shownLeaf: () => Promise<string>
  readonly now: () => number
  /** Milliseconds; resolves early when the signal aborts. */
  readonly pause: (milliseconds: number) => Promise<void>
  readonly say: (text: string) => void
}

interface Wait {
  /** Milliseconds since the epoch. */
  readonly deadline: number
  /** True to continue although some nodes cannot show that they are ready. */
  readonly force: boolean
}

/**
 * What proves that a node is ready: a pull with that generation, or, if no node can pull, that its files are
 * written.
 */
type ReportedGeneration = 'effective' | 'written'

/**
 * The progress of a CA rotation. Each step reads it from the cluster, so that a rotation can be resumed at
 * any time.
 */
export interface RotationState {
  readonly generation: number
  /** PEM certificates, oldest first. */
  readonly bundle: readonly string[]
  readonly signing: string
  readonly next: string | undefined
}

const poll = 1000
/** Milliseconds after which certificates that were issued to nodes end. */
const nodeCertificateLife = 7 * 24 * 3_600_000

export class AuthorityRotation {
  readonly #parts: RotationParts
  readonly #stored: StoredAuthority

  constructor(parts: RotationParts) {
    this.#parts = parts
    this.#stored = new StoredAuthority(parts.objects, parts.layout)
  }

  /** Throws UserError NOT_INSTALLED. */
  async state(): Promise<RotationState> {
    const { signing, next, bundle, generation } = await this.#stored.read()
    return { generation, bundle: certificatesInPem(bundle), signing: signing.cert, next: next?.cert }
  }

  /**
   * Steps 1 and 2: makes the next CA, publishes both, and waits until every Ready node has pulled with them
   * (or, if the signing CA has expired, has written them). Step 3: the registry signs with the next CA.
   * `hosts` are additional names for it. Throws UserError NODES_BEHIND if the deadline (milliseconds since
   * the epoch) comes first; a second run continues.
   */
  async rotate({
    deadline,
    force,
    hosts = [],
  }: Wait & { readonly hosts?: readonly string[] }): Promise<void> {
    const { say, now } = this.#parts
    let { signing, next, bundle, generation } = await this.#stored.read()
    if (next === undefined && certificatesInPem(bundle).length > 1)
      throw new UserError('ROTATION_UNFINISHED', 'the CA before this one is still trusted', {
        hint: 'trow ca rotate --finish drops it; then the next one can begin.',
      })
    if (next === undefined) {
      next = await this.#parts.makeAuthority(signing.cert, hosts)
      await this.#stored.keepNext(next)
      say(`made the next CA, ${fingerprint(next.cert)}`)
    }
    const { cert } = next
    const outside = hosts.filter((host) => !isCovered(host, cert))
    if (outside.length > 0)
      throw new UserError(
        'ROTATION_UNFINISHED',
        `the next CA, made by an earlier run, may not speak for ${outside.join(', ')}`,
        { hint: 'End that run first: trow ca rotate --wait, then trow ca rotate --finish.' },
      )
    if (!includes(bundle, next.cert)) {
      bundle = `${bundle.trimEnd()}\n${next.cert}`
      generation++
      await this.#stored.publish(bundle, generation)
      say(`published generation ${generation}: both CAs are trusted`)
    }
    const { validTo } = new X509Certificate(signing.cert)
    const expired = Date.parse(validTo) <= now()
    if (expired) say(`the CA that signs expired on ${validTo}: nodes cannot pull, and need only have both`)
    await this.#acknowledged(generation, { deadline, force }, expired ? 'written' : 'effective')
    await this.#stored.signWith(next, now())
    say('the registry signs with the next CA from now on')
    await this.#shows(next.cert, deadline)
  }

  /**
   * Step 4: removes every CA from the bundle except the one that signs. Throws UserError ROTATION_UNFINISHED,
   * ROTATION_TOO_EARLY, NODES_BEHIND.
   */
  async finish({ deadline, force }: Wait): Promise<void> {
    const { say, now } = this.#parts
    const { signing, next, bundle, generation, switched } = await this.#stored.read()
    if (next !== undefined)
      throw new UserError('ROTATION_UNFINISHED', 'the next CA does not sign yet', {
        hint: 'trow ca rotate --wait goes on.',
      })
    if (certificatesInPem(bundle).length > 1) {
      await this.#shows(signing.cert, deadline)
      const issued = (await this.#stored.reports()).filter(({ identity }) => identity.kind === 'issued')
      const left = (switched ?? 0) + nodeCertificateLife - now()
      if (issued.length > 0 && left > 0 && !force)
        throw new UserError(
          'ROTATION_TOO_EARLY',
          `${issued.map(({ node }) => node).join(', ')}: certificates of the old CA may still be in use`,
          {
            hint: `They are renewed within ${counted(Math.ceil(left / 86_400_000), 'day')}; --force drops the old CA now.`,
          },
        )
      await this.#stored.publish(signing.cert, generation + 1)
      say(`published generation ${generation + 1}: the old CA is not trusted any more`)
      await this.#acknowledged(generation + 1, { deadline, force })
    } else say('nothing to do: one CA is trusted')
  }

  /**
   * Waits until every Ready node has pulled with that generation. Nodes that are not Ready, and were not for a
   * minute, are named and skipped. trow cannot see the files that a platform's own tools write; `force` skips such nodes too.
   */
  async #acknowledged(
    generation: number,
    { deadline, force }: Wait,
    evidence: ReportedGeneration = 'effective',
  ): Promise<void> {
    const { objects, now, pause, say } = this.#parts
    const presence = new NodePresence({ absence: () => objects.absence, now })
    let told = ''
    for (;;) {
      const [nodes, reports] = await Promise.all([
        objects.list({ apiVersion: 'v1', kind: 'Node' }),
        this.#stored.reports(),
      ])
      const fresh = new Map(
        reports
          .filter(({ time }) => now() - Date.parse(time) <= reportLife)
          .map((report) => [report.node, report.generation[evidence] ?? 0]),
      )
      const managed = reports.filter((report) => report.class === 'managed').map(({ node }) => node)
      if (force) for (const node of managed) fresh.set(node, generation)
      const present = nodes.filter((node) => presence.isPresent(node.metadata.name, isReady(node)))
      const behind = present.filter(({ metadata }) => (fresh.get(metadata.name) ?? 0) < generation)
      const away = nodes.filter((node) => !present.includes(node)).map(({ metadata }) => metadata.name)
      if (behind.length === 0) {
        say(
          `every Ready node has ${evidence === 'written' ? 'written' : 'pulled with'} generation ${generation}`,
        )
        if (away.length > 0) say(`not Ready, and told as soon as they are back: ${away.join(', ')}`)
        return
      }
      const waiting = behind.map(({ metadata }) => metadata.name).join(', ')
      if (now() >= deadline)
        throw new UserError('NODES_BEHIND', `not yet with generation ${generation}: ${waiting}`, {
          hint: behind.some(({ metadata }) => managed.includes(metadata.name))
            ? `${managed.join(', ')}: give them what trow ca show prints, by their platform's tools; then --force goes on.`
            : 'trow status says why; trow ca rotate --wait goes on from here.',
          exitCode: exitCode.timedOut,
        })
      if (waiting !== told) say(`waiting for ${waiting}`)
      told = waiting
      await pause(poll)
    }
  }

  async #shows(authority: string, deadline: number): Promise<void> {
    const { shownLeaf, now, pause, say } = this.#parts
    for (;;) {
      const leaf = await shownLeaf().catch(() => undefined)
      if (leaf !== undefined && new X509Certificate(leaf).verify(new X509Certificate(authority).publicKey)) {
        say('the registry shows a certificate of that CA')
        return
      }
      if (now() >= deadline)
        throw new UserError('CERTIFICATE_BEHIND', 'the registry still shows a certificate of the old CA', {
          hint: 'It takes the new one within two minutes; its log says why where it does not.',
          exitCode: exitCode.timedOut,
        })
      await pause(poll)
    }
  }
}

/** `AB:CD:…`, SHA-256. */
export function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256
}

function includes(bundle: string, pem: string): boolean {
  return certificatesInPem(bundle).some((each) => fingerprint(each) === fingerprint(pem))
}
