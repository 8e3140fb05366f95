package batch

// system is how a batch system numbers the tasks of a job: by their position, from base on,
// or by the IDs of an array.
type system struct {
	name  string
	index string // variable of the task's number
	none  string // its value outside of an array
	base  uint64 // its value in the first task, where tasks are counted
	total string // variable of the number of tasks; "" if there is none

	first, last, step string // variables of an array of IDs; "" where tasks are counted
}

// systems has the batch systems that document a task's number, each with its source.
func systems() []system {
	return []system{
		// kubernetes.io, "Jobs", completion mode Indexed: 0 to .spec.completions-1. No variable has
		// .spec.completions.
		{name: "Kubernetes", index: "JOB_COMPLETION_INDEX"},
		// sbatch(1), "Output environment variables".
		{
			name: "Slurm", index: arrayIndex, total: "SLURM_ARRAY_TASK_COUNT",
			first: "SLURM_ARRAY_TASK_MIN", last: "SLURM_ARRAY_TASK_MAX", step: "SLURM_ARRAY_TASK_STEP",
		},
		// qsub(1) of Grid Engine, "Environmental variables"; SGE_TASK_ID is "undefined" outside of an array job.
		{
			name: "Grid Engine", index: "SGE_TASK_ID", none: "undefined",
			first: "SGE_TASK_FIRST", last: "SGE_TASK_LAST", step: "SGE_TASK_STEPSIZE",
		},
		// AWS Batch user guide, "AWS Batch job environment variables".
		{name: "AWS Batch", index: "AWS_BATCH_JOB_ARRAY_INDEX", total: "AWS_BATCH_JOB_ARRAY_SIZE"},
		// cloud.google.com, "Batch", "Predefined environment variables".
		{name: "Google Batch", index: "BATCH_TASK_INDEX", total: "BATCH_TASK_COUNT"},
		// cloud.google.com, "Cloud Run", "Container runtime contract", jobs.
		{name: "Cloud Run", index: "CLOUD_RUN_TASK_INDEX", total: "CLOUD_RUN_TASK_COUNT"},
		// parallel(1): a job's number, from 1. PARALLEL_JOBSLOT is no such number: the jobs of one slot
		// share it. The number of jobs is in no variable.
		{name: "GNU parallel", index: "PARALLEL_SEQ", base: 1},
	}
}

// arrayIndex is the ID of a job of an array of Slurm.
const arrayIndex = "SLURM_ARRAY_TASK_ID"

// Variables of the tasks that srun starts: srun(1), "Output environment variables". A batch script
// has the first and the third, too, but not the number of tasks of a step.
const (
	taskIndex  = "SLURM_PROCID"
	stepTotal  = "SLURM_STEP_NUM_TASKS"
	allocation = "SLURM_NTASKS"
)
