import { goProblem } from '../requirements.ts'
import { buildBinaries } from '../support/cluster-binaries.ts'

// `.ci/run` starts this beside `npm test`: Kubernetes takes most of what the tests of a cluster build. The rest is left to
// them, which then know what `npm test` had to skip.

const problem = goProblem()
if (problem === undefined) buildBinaries((line) => console.log(line), ['kubernetes'])
else console.log(problem)
