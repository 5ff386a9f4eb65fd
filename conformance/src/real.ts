// Runs the suites on the kernel of this machine, with a line for each test, in the lab:
// node dist/real.js [iommu | no-remapping | no-iommu]
import { realHost } from './real-host'
import { reportingRunner } from './report'
import { conformance, kindFromArguments } from './suite'

conformance(reportingRunner(), kindFromArguments(), realHost())
