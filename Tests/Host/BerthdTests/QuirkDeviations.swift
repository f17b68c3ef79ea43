/// What `berthd` answers where it differs from the recorded quirk, by number of the exchange; runs of one character are cut.
let quirkDeviations: [String: [Int: String]] = [
    // Item 17: no change, no ghost record.
    "q01_negative_numa_count_wipes": [
        2:
            #"{"version":"1.0","error":"A count of -3 is invalid for allocate_numa_cores: use -1 to release"}"#,
        3:
            #"{"version":"1.0","total_allocations":1,"total_allocated_cpus":2,"total_available_cpus":12,"remaining_available_cpus":10,"allocations":[{"service_name":"a","allocated_cores":"2,10","cores_count":2,"is_explicit":true}]}"#,
        4:
            #"{"version":"1.0","error":"A count of -2 is invalid for allocate_numa_cores: use -1 to release"}"#,
        5:
            #"{"version":"1.0","total_allocations":1,"total_allocated_cpus":2,"total_available_cpus":12,"remaining_available_cpus":10,"allocations":[{"service_name":"a","allocated_cores":"2,10","cores_count":2,"is_explicit":true}]}"#,
        7:
            #"{"version":"1.0","total_allocations":1,"total_allocated_cpus":2,"total_available_cpus":12,"remaining_available_cpus":10,"allocations":[{"service_name":"a","allocated_cores":"2,10","cores_count":2,"is_explicit":true}]}"#,
        8:
            #"{"version":"1.0","service_name":"new","num_of_cores":0,"cores_allocated":0,"allocated_cores":"","shared_cpus":"3-7,11-15","total_available_cpus":12,"remaining_available_cpus":10}"#,
        9:
            #"{"version":"1.0","total_allocations":1,"total_allocated_cpus":2,"total_available_cpus":12,"remaining_available_cpus":10,"allocations":[{"service_name":"a","allocated_cores":"2,10","cores_count":2,"is_explicit":true}]}"#,
    ],
    // Item 18: no default policy.
    "q02_negative_core_count_is_default_policy": [
        0:
            #"{"version":"1.0","error":"A count of -5 is invalid for allocate_cores: use -1 to release"}"#,
        1:
            #"{"version":"1.0","total_allocations":0,"total_allocated_cpus":0,"total_available_cpus":6,"remaining_available_cpus":6,"allocations":[]}"#,
        2:
            #"{"version":"1.0","error":"A count of -2 is invalid for allocate_cores: use -1 to release"}"#,
        3:
            #"{"version":"1.0","total_allocations":0,"total_allocated_cpus":0,"total_available_cpus":6,"remaining_available_cpus":6,"allocations":[]}"#,
    ],
    // Item 19: nothing recorded, nothing cancelled.
    "q03_negative_hugepages_recorded": [
        1:
            #"{"version":"1.0","error":"A count of -500 is invalid for allocate_hugepages: use -1 to release"}"#,
        2:
            #"{"version":"1.0","service_name":"viewer","numa_hugepages":{"node0":{"capacity":[{"total":512,"free":0,"size":2048},{"total":4,"free":4,"size":1048576}],"allocations":{"a":{"2048":512}}},"node1":{"capacity":[{"total":256,"free":200,"size":2048},{"total":4,"free":3,"size":1048576}],"allocations":{}}}}"#,
        3:
            #"{"version":"1.0","error":"NUMA node 0 size 2048 KB only has 0 free hugepages, requested additional 400"}"#,
        4:
            #"{"version":"1.0","service_name":"viewer","numa_hugepages":{"node0":{"capacity":[{"total":512,"free":0,"size":2048},{"total":4,"free":4,"size":1048576}],"allocations":{"a":{"2048":512}}},"node1":{"capacity":[{"total":256,"free":200,"size":2048},{"total":4,"free":3,"size":1048576}],"allocations":{}}}}"#,
        5:
            #"{"version":"1.0","error":"A count of -7 is invalid for allocate_hugepages: use -1 to release"}"#,
        6:
            #"{"version":"1.0","service_name":"viewer","numa_hugepages":{"node0":{"capacity":[{"total":512,"free":0,"size":2048},{"total":4,"free":4,"size":1048576}],"allocations":{"a":{"2048":512}}},"node1":{"capacity":[{"total":256,"free":200,"size":2048},{"total":4,"free":3,"size":1048576}],"allocations":{}}}}"#,
        8:
            #"{"version":"1.0","service_name":"viewer","numa_hugepages":{"node0":{"capacity":[{"total":512,"free":0,"size":2048},{"total":4,"free":4,"size":1048576}],"allocations":{"a":{"2048":512}}},"node1":{"capacity":[{"total":256,"free":200,"size":2048},{"total":4,"free":3,"size":1048576}],"allocations":{}}}}"#,
    ],
    // Item 23: figures count isolated CPUs only and end at 0.
    "q04_isolated_set_shrinks": [
        4:
            #"{"version":"1.0","total_allocations":2,"total_allocated_cpus":2,"total_available_cpus":2,"remaining_available_cpus":0,"allocations":[{"service_name":"a","allocated_cores":"2-3,6-7,10-11","cores_count":6,"is_explicit":false},{"service_name":"b","allocated_cores":"4-5,12-13","cores_count":4,"is_explicit":true}]}"#,
        6:
            #"{"version":"1.0","service_name":"c","numa_node":0,"num_of_cores":1,"cores_allocated":"2","total_available_cpus":2,"remaining_available_cpus":0}"#,
        7:
            #"{"version":"1.0","total_allocations":3,"total_allocated_cpus":2,"total_available_cpus":2,"remaining_available_cpus":0,"allocations":[{"service_name":"a","allocated_cores":"3,6-7,10-11","cores_count":5,"is_explicit":false},{"service_name":"b","allocated_cores":"4-5,12-13","cores_count":4,"is_explicit":true},{"service_name":"c","allocated_cores":"2","cores_count":1,"is_explicit":true}]}"#,
        9:
            #"{"version":"1.0","total_allocations":3,"total_allocated_cpus":2,"total_available_cpus":2,"remaining_available_cpus":0,"allocations":[{"service_name":"a","allocated_cores":"3,6-7,10-11","cores_count":5,"is_explicit":false},{"service_name":"b","allocated_cores":"4-5,12-13","cores_count":4,"is_explicit":true},{"service_name":"c","allocated_cores":"2","cores_count":1,"is_explicit":true}]}"#,
        12:
            #"{"version":"1.0","service_name":"b","numa_node":1,"num_of_cores":-1,"cores_allocated":"","total_available_cpus":0,"remaining_available_cpus":0}"#,
    ],
    // Item 8 and 9: a request of any length up to the limit.
    "q05_request_over_1024_bytes": [
        1:
            #"{"version":"1.0","service_name":"n…","num_of_cores":1,"cores_allocated":1,"allocated_cores":"3","shared_cpus":"4-7","total_available_cpus":6,"remaining_available_cpus":4}"#,
        2:
            #"{"version":"1.0","total_allocations":2,"total_allocated_cpus":2,"total_available_cpus":6,"remaining_available_cpus":4,"allocations":[{"service_name":"n…","allocated_cores":"2","cores_count":1,"is_explicit":false},{"service_name":"n…","allocated_cores":"3","cores_count":1,"is_explicit":false}]}"#,
        3:
            #"{"version":"1.0","total_allocations":2,"total_allocated_cpus":2,"total_available_cpus":6,"remaining_available_cpus":4,"allocations":[{"service_name":"n…","allocated_cores":"2","cores_count":1,"is_explicit":false},{"service_name":"n…","allocated_cores":"3","cores_count":1,"is_explicit":false}]}"#,
    ],
    // Item 13: nothing recorded.
    "q06_surrogate_service_name": [
        4:
            #"{"version":"1.0","service_name":"viewer","numa_hugepages":{"node0":{"capacity":[{"total":512,"free":512,"size":2048},{"total":4,"free":4,"size":1048576}],"allocations":{}},"node1":{"capacity":[{"total":256,"free":200,"size":2048},{"total":4,"free":3,"size":1048576}],"allocations":{}}}}"#,
        7:
            #"{"version":"1.0","service_name":"viewer","numa_hugepages":{"node0":{"capacity":[{"total":512,"free":511,"size":2048},{"total":4,"free":4,"size":1048576}],"allocations":{"a":{"2048":1}}},"node1":{"capacity":[{"total":256,"free":200,"size":2048},{"total":4,"free":3,"size":1048576}],"allocations":{}}}}"#,
    ],
    // Item 31: more than 64 bits is an error.
    "q07_huge_integers": [
        0:
            #"{"version":"1.0","error":"1 validation error for AllocateCoresRequest\nnum_of_cores\n  Input should be a valid integer of at most 64 bits"}"#,
        2:
            #"{"version":"1.0","error":"1 validation error for AllocateNumaCoresRequest\nnuma_node\n  Input should be a valid integer of at most 64 bits"}"#,
        3:
            #"{"version":"1.0","error":"1 validation error for AllocateHugepagesRequest\nhugepages_requested\n  Input should be a valid integer of at most 64 bits"}"#,
        4:
            #"{"version":"1.0","error":"1 validation error for AllocateHugepagesRequest\nsize_kb\n  Input should be a valid integer of at most 64 bits"}"#,
    ],
    // Item 13, and the parser's extras of section 2: strict JSON.
    "q09_json_parser_dependent": [
        2:
            #"{"version":"1.0","error":"Invalid JSON: expected a value (byte 33)"}"#,
        3:
            #"{"version":"1.0","error":"Invalid JSON: expected a digit (byte 34)"}"#,
        5:
            #"{"version":"1.0","error":"Invalid JSON: a surrogate escape without its other half (byte 40)"}"#,
        6:
            #"{"version":"1.0","error":"Invalid JSON: a surrogate escape without its other half (byte 51)"}"#,
    ],
]
