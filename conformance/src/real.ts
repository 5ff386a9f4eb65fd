// Runs the suites on the kernel of this machine, with a line for each test: node dist/real.js, in the lab.
import { realHost } from './real-host'
import { reportingRunner } from './report'
import { conformance } from './suite'

conformance(reportingRunner(), realHost())
