import { defaultImage } from '../../image/reference.ts'
import type { InstallSettings } from '../../install/install-settings.ts'
import type { Remembered } from '../../install/remembered.ts'

export interface ChosenImage {
  readonly reference: string
  readonly isDefault: boolean
  /** With the image as it is to be remembered. */
  readonly settings: InstallSettings
}

/**
 * The image of an install. One that was named for an older trow goes along with the upgrade where its tag is that trow's
 * version: the pods of a version run its image.
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
