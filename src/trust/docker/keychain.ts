import { X509Certificate } from 'node:crypto'
import { UserError } from '../../user-error.ts'
import { pathOf, type DeveloperMachine } from './machine.ts'
import type { ProgramCall } from './program-runner.ts'
import type { CommandStep } from './trust-step.ts'
import { certificatesInPem } from '../../pem-bundle.ts'

/**
 * Changes the login keychain of a Mac or the user's Root store of Windows. Every program of the user then
 * trusts the CA. Throws UserError KEYCHAIN_UNSUPPORTED on other systems.
 */
export async function planKeychain(
  machine: DeveloperMachine,
  ca: string,
  change: 'add' | 'remove',
): Promise<readonly CommandStep[]> {
  const { platform } = machine
  if (platform === 'linux') {
    throw new UserError('KEYCHAIN_UNSUPPORTED', '--keychain is for macOS and Windows', {
      hint: 'Leave it out: the certificate folder is all that an engine on Linux reads.',
    })
  }
  const steps: CommandStep[] = []
  for (const pem of certificatesOf(ca)) {
    const hash = new X509Certificate(pem).fingerprint.replaceAll(':', '')
    const present = await holds(machine, hash)
    if (present === (change === 'add')) continue
    const scratch = {
      path: pathOf(machine.temporary, `trow-ca-${hash.slice(0, 16)}.crt`),
      content: pem,
    }
    steps.push(
      ...(platform === 'darwin' ? mac(machine, hash, scratch, change) : windows(hash, scratch, change)),
    )
  }
  return steps
}

type Scratch = NonNullable<CommandStep['scratch']>

function mac(
  machine: DeveloperMachine,
  hash: string,
  scratch: Scratch,
  change: 'add' | 'remove',
): readonly CommandStep[] {
  const keychain = loginKeychain(machine)
  const step = (purpose: string, args: readonly string[], file?: Scratch): CommandStep => ({
    kind: 'command',
    purpose,
    call: { program: 'security', args },
    consent: 'keychain',
    ...(file === undefined ? {} : { scratch: file }),
  })
  return change === 'add'
    ? [
        step(
          'trust the CA in the login keychain',
          ['add-trusted-cert', '-d', '-r', 'trustRoot', '-p', 'ssl', '-k', keychain, scratch.path],
          scratch,
        ),
      ]
    : [
        step('take its trust settings away', ['remove-trusted-cert', '-d', scratch.path], scratch),
        step('take the CA out of the login keychain', ['delete-certificate', '-Z', hash, keychain]),
      ]
}

function windows(hash: string, scratch: Scratch, change: 'add' | 'remove'): readonly CommandStep[] {
  const call = (...args: readonly string[]): ProgramCall => ({ program: 'certutil', args })
  return change === 'add'
    ? [
        {
          kind: 'command',
          purpose: "trust the CA in the user's Root store",
          call: call('-addstore', '-user', 'Root', scratch.path),
          consent: 'keychain',
          scratch,
        },
      ]
    : [
        {
          kind: 'command',
          purpose: "take the CA out of the user's Root store",
          call: call('-delstore', '-user', 'Root', hash),
          consent: 'keychain',
        },
      ]
}

async function holds(machine: DeveloperMachine, hash: string): Promise<boolean> {
  if (machine.platform === 'win32') {
    const { code } = await machine.run({ program: 'certutil', args: ['-user', '-store', 'Root', hash] })
    return code === 0
  }
  const { stdout } = await machine.run({
    program: 'security',
    args: ['find-certificate', '-a', '-Z', loginKeychain(machine)],
  })
  return stdout.includes(hash)
}

function loginKeychain(machine: DeveloperMachine): string {
  return pathOf(machine.home, 'Library', 'Keychains', 'login.keychain')
}

function certificatesOf(pem: string): readonly string[] {
  return certificatesInPem(pem).map(
    (each) => `${each}
`,
  )
}
