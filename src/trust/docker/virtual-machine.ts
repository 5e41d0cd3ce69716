import { posix } from 'node:path'
import { UserError } from '../../user-error.ts'
import { containerFile, isOurs } from './certificate-file.ts'
import type { ContainerEngine } from './engine.ts'
import type { DeveloperMachine } from './machine.ts'
import type { ProgramCall } from './program-runner.ts'
import type { CommandStep } from './trust-step.ts'

/** How to run a program in the VM of an engine, and where the VM has its certificates. */
interface VirtualMachine {
  readonly title: string
  readonly certificates: string
  call(words: readonly string[], input?: string): ProgramCall
}

export interface VirtualCertificate {
  readonly host: string
  /** `undefined` removes the CA that trow added. */
  readonly ca: string | undefined
}

/**
 * Plans the steps inside a running VM, where root needs no consent; `undefined` if the VM does not run.
 * Throws UserError FILE_EXISTS.
 */
export async function planInside(
  machine: DeveloperMachine,
  engine: ContainerEngine,
  { host, ca }: VirtualCertificate,
): Promise<readonly CommandStep[] | undefined> {
  const { title, certificates, call } = virtualMachine(engine)
  const answer = await machine.run(call(['true']))
  if (answer.code !== 0) return undefined
  const folder = posix.join(certificates, host)
  const path = posix.join(folder, 'trow-ca.crt')
  const { code, stdout } = await machine.run(call(['sudo', 'cat', path]))
  const present = code === 0 ? stdout : undefined
  if (present !== undefined && !isOurs(present)) {
    throw new UserError('FILE_EXISTS', `${path} is in the VM of ${title} already, and not from trow`, {
      hint: 'Move it away first.',
    })
  }
  const step = (purpose: string, words: readonly string[], input?: string): CommandStep => ({
    kind: 'command',
    purpose,
    call: call(words, input),
  })
  if (ca === undefined) {
    if (present === undefined) return []
    return [
      step(`take the CA out of the VM of ${title}`, ['sudo', 'rm', '-f', path]),
      step('and its folder', ['sudo', 'rmdir', '--ignore-fail-on-non-empty', folder]),
    ]
  }
  const content = containerFile(ca, [])
  if (present === content) return []
  return [
    step(`make ${folder} in the VM of ${title}`, ['sudo', 'mkdir', '-p', folder]),
    step(`put the CA there`, ['sudo', 'tee', path], content),
  ]
}

function virtualMachine({ kind, instance }: ContainerEngine): VirtualMachine {
  switch (kind) {
    case 'colima':
      return {
        title: 'colima',
        certificates: '/etc/docker/certs.d',
        call: (words, input) =>
          made(
            'colima',
            ['ssh', ...(instance === undefined ? [] : ['--profile', instance]), '--', ...words],
            input,
          ),
      }
    case 'rancher-desktop':
      return {
        title: 'Rancher Desktop',
        certificates: '/etc/docker/certs.d',
        call: (words, input) => made('rdctl', ['shell', ...words], input),
      }
    case 'podman-machine':
      return {
        title: 'podman machine',
        certificates: '/etc/containers/certs.d',
        call: (words, input) =>
          made('podman', ['machine', 'ssh', ...(instance === undefined ? [] : [instance]), ...words], input),
      }
    case 'dockerd':
    case 'docker-desktop':
    case 'orbstack':
    case 'podman':
      throw new TypeError(`nobody enters a VM of ${kind}`)
  }
}

function made(program: string, args: readonly string[], input: string | undefined): ProgramCall {
  return { program, args, ...(input === undefined ? {} : { input }) }
}
