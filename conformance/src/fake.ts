// Runs the suites on a fake machine, with a line for each test: node dist/fake.js [iommu | no-remapping | no-iommu]
import { fakeHost } from './fake-host'
import { reportingRunner } from './report'
import { conformance, kindFromArguments } from './suite'

const kind = kindFromArguments()
conformance(reportingRunner(), kind, fakeHost(kind))
