import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/**
 * An ext4 file system of its own on a loop file, whose power can be cut: EXT4_IOC_SHUTDOWN with
 * EXT4_GOING_FLAGS_NOLOGFLUSH drops everything that was not flushed. Needs root.
 */
export class LoopDevice {
  readonly mountPoint: string
  readonly #image: string
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
    this.#image = join(folder, 'image')
    this.mountPoint = join(folder, 'mount')
  }

  static async create(megabytes: number): Promise<LoopDevice> {
    const device = new LoopDevice(await mkdtemp(join(tmpdir(), 'trow-loop-')))
    await mkdir(device.mountPoint)
    const image = await open(device.#image, 'w')
    await image.truncate(megabytes * 1024 * 1024)
    await image.close()
    await execute('mkfs.ext4', ['-q', '-F', device.#image])
    await device.mount()
    return device
  }

  async mount(): Promise<void> {
    await execute('mount', ['-o', 'loop', this.#image, this.mountPoint])
  }

  async unmount(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await execute('umount', [this.mountPoint])
        return
      } catch (error) {
        if (attempt === 50) throw error
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  /** Calls `now` at the instant of the cut: nothing that is heard afterwards was said before it. */
  async cutPower(now = (): void => {}): Promise<void> {
    const program =
      'open(my $f, "<", $ARGV[0]) or die $!; my $flag = pack("L", 2); $| = 1; print "ready"; <STDIN>; defined(ioctl($f, 0x8004587D, $flag)) or die $!'
    const child = spawn('perl', ['-e', program, this.mountPoint], { stdio: ['pipe', 'pipe', 'inherit'] })
    const closed = once(child, 'close')
    await Promise.race([once(child.stdout, 'data'), closed])
    now()
    child.stdin.end('\n')
    const [code] = (await closed) as [number | null]
    if (code !== 0) throw new Error('the power could not be cut')
  }

  async destroy(): Promise<void> {
    await execute('umount', [this.mountPoint]).catch(() => undefined)
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** Why power cuts cannot be tried here; undefined where they can. */
export async function loopDeviceProblem(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root to mount a loop device'
  try {
    const device = await LoopDevice.create(16)
    await device.cutPower()
    await device.destroy()
    return undefined
  } catch (error) {
    return `no ext4 loop device here: ${(error as Error).message.split('\n')[0]}`
  }
}
