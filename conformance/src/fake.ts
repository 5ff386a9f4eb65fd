// Runs the suites on a fake machine, with a line for each test: node dist/fake.js
import { fakeHost } from './fake-host'
import { reportingRunner } from './report'
import { conformance } from './suite'

conformance(reportingRunner(), fakeHost())
