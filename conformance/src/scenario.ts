// Runs one scenario on the real kernel and prints what became of it: scenario.js NAME PCI-ADDRESS
import { linuxKernel } from '@linux-dma/core'
import { runScenario, type ScenarioName } from './scenarios'

const [name, edu] = process.argv.slice(2)
console.log(JSON.stringify(runScenario(name as ScenarioName, linuxKernel(), edu!)))
