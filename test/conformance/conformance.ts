import { basicCases } from './basic-cases.ts'
import { blobCases } from './blob-cases.ts'
import { dataSetCases } from './data-set-cases.ts'
import { extraCases } from './extra-cases.ts'
import { Suite, type Target } from './suite.ts'
import { wireCases } from './wire-cases.ts'

/** Everything, in order. */
export async function runConformance(target: Target, only?: RegExp): Promise<Suite> {
  const suite = new Suite(target, only)
  await basicCases(suite)
  await blobCases(suite, 'sha256')
  await blobCases(suite, 'sha512')
  await dataSetCases(suite)
  await extraCases(suite)
  await wireCases(suite)
  return suite
}
