import { exitCode, UserError } from '../user-error.ts'

/** A platform of the image, with its name in each ecosystem. */
export interface Platform {
  /** `linux/amd64` */
  readonly name: string
  /** As in OCI (GOARCH) and Debian. */
  readonly architecture: 'amd64' | 'arm64'
  /** As in npm: `cpu` in a lock file. */
  readonly cpu: 'x64' | 'arm64'
  /** Debian's folder of libraries below /usr/lib. */
  readonly triplet: string
  /** The dynamic loader in the ELF header of every program. */
  readonly loader: string
}

export const platforms: readonly Platform[] = [
  {
    name: 'linux/amd64',
    architecture: 'amd64',
    cpu: 'x64',
    triplet: 'x86_64-linux-gnu',
    loader: 'usr/lib64/ld-linux-x86-64.so.2',
  },
  {
    name: 'linux/arm64',
    architecture: 'arm64',
    cpu: 'arm64',
    triplet: 'aarch64-linux-gnu',
    loader: 'usr/lib/ld-linux-aarch64.so.1',
  },
]

/** `linux/amd64,linux/arm64`, or `all`. Throws UserError PLATFORM_UNKNOWN. */
export function parsePlatforms(text: string): readonly Platform[] {
  if (text === 'all') return platforms
  const wanted = text.split(',').map((name) => {
    const found = platforms.find((each) => each.name === name.trim())
    if (found !== undefined) return found
    throw new UserError('PLATFORM_UNKNOWN', `trow has no image for "${name}"`, {
      hint: `It has images for ${platforms.map((each) => each.name).join(' and ')}.`,
      exitCode: exitCode.usage,
    })
  })
  return platforms.filter((each) => wanted.includes(each))
}
