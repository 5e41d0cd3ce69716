import { defaultImage } from '../../image/reference.ts'
import type { InstallSettings } from '../../install/install-settings.ts'
import type { Remembered } from '../../install/remembered.ts'

export interface ChosenImage {
  readonly reference: string
  readonly isDefault: boolean
  /** With the image as it will be stored. */
  readonly settings: InstallSettings
}

/**
 * Chooses the image of an install. A named image of an older trow, whose tag is that trow's version, moves to
 * the new version in an upgrade: pods run the image of their own version.
 */
export function chosenImage(
  settings: InstallSettings,
  remembered: Remembered | undefined,
  version: string,
): ChosenImage {
  const { image } = settings
  if (image === undefined) return { reference: defaultImage(version), isDefault: true, settings }
  const before = remembered?.version
  const old = remembered?.settings?.image
  const follows = image === old && before !== undefined && before !== version && image.endsWith(`:${before}`)
  const reference = follows ? `${image.slice(0, -before.length)}${version}` : image
  return { reference, isDefault: false, settings: { ...settings, image: reference } }
}
