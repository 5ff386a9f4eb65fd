export { saveReports } from './save-reports'
