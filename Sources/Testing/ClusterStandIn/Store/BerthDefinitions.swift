/// The definitions of Berth's own kinds, as JSON: those of `deploy/kubernetes/crds`.
package enum BerthDefinitions {
    /// That of NodeCPUTopology.
    package static let nodeCPUTopologies = """
        {
          "apiVersion": "apiextensions.k8s.io/v1",
          "kind": "CustomResourceDefinition",
          "metadata": {"name": "nodecputopologies.cslab.ece.ntua.gr"},
          "spec": {
            "group": "cslab.ece.ntua.gr",
            "scope": "Cluster",
            "names": {
              "kind": "NodeCPUTopology",
              "listKind": "NodeCPUTopologyList",
              "plural": "nodecputopologies",
              "singular": "nodecputopology",
              "shortNames": ["nct"]
            },
            "versions": [
              {
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                  {"name": "Node", "type": "string", "jsonPath": ".spec.nodeName"},
                  {"name": "Resource Status", "type": "string", "jsonPath": ".status.resourceStatus"}
                ],
                "schema": {
                  "openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                      "apiVersion": {"type": "string"},
                      "kind": {"type": "string"},
                      "metadata": {"type": "object"},
                      "spec": {
                        "type": "object",
                        "required": ["nodeName"],
                        "properties": {
                          "nodeName": {"type": "string"},
                          "topology": {
                            "type": "object",
                            "properties": {
                              "cpus": {"type": "array", "items": {"type": "integer"}},
                              "sockets": {
                                "type": "object",
                                "additionalProperties": {
                                  "type": "object",
                                  "required": ["cores", "cpus"],
                                  "properties": {
                                    "cores": {
                                      "type": "object",
                                      "additionalProperties": {
                                        "type": "object",
                                        "required": ["cpus"],
                                        "properties": {"cpus": {"type": "array", "items": {"type": "integer"}}}
                                      }
                                    },
                                    "cpus": {"type": "array", "items": {"type": "integer"}}
                                  }
                                }
                              },
                              "numaNodes": {
                                "type": "object",
                                "additionalProperties": {
                                  "type": "object",
                                  "required": ["cpus"],
                                  "properties": {"cpus": {"type": "array", "items": {"type": "integer"}}}
                                }
                              }
                            }
                          }
                        }
                      },
                      "status": {
                        "type": "object",
                        "required": ["resourceStatus"],
                        "properties": {
                          "resourceStatus": {"type": "string"},
                          "internalIP": {"type": "string"},
                          "allocatedCPUs": {"type": "array", "items": {"type": "integer"}},
                          "reservedCPUs": {"type": "array", "items": {"type": "integer"}},
                          "observedGeneration": {"type": "integer", "format": "int64"},
                          "conditions": \(conditions)
                        }
                      }
                    }
                  }
                }
              }
            ]
          }
        }
        """

    /// That of PodCPUBinding.
    package static let podCPUBindings = """
        {
          "apiVersion": "apiextensions.k8s.io/v1",
          "kind": "CustomResourceDefinition",
          "metadata": {"name": "podcpubindings.cslab.ece.ntua.gr"},
          "spec": {
            "group": "cslab.ece.ntua.gr",
            "scope": "Namespaced",
            "names": {
              "kind": "PodCPUBinding",
              "listKind": "PodCPUBindingList",
              "plural": "podcpubindings",
              "singular": "podcpubinding",
              "shortNames": ["pcb"]
            },
            "versions": [
              {
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                  {"name": "Pod Name", "type": "string", "jsonPath": ".spec.podName"},
                  {"name": "Node Name", "type": "string", "jsonPath": ".status.nodeName"},
                  {
                    "name": "Exclusiveness Level",
                    "type": "string",
                    "jsonPath": ".spec.exclusivenessLevel"
                  },
                  {"name": "Resource Status", "type": "string", "jsonPath": ".status.resourceStatus"}
                ],
                "schema": {
                  "openAPIV3Schema": {
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                      "apiVersion": {"type": "string"},
                      "kind": {"type": "string"},
                      "metadata": {"type": "object"},
                      "spec": {
                        "type": "object",
                        "required": ["podName", "cpuSet", "exclusivenessLevel"],
                        "properties": {
                          "podName": {"type": "string"},
                          "cpuSet": {
                            "type": "array",
                            "items": {
                              "type": "object",
                              "required": ["cpuID"],
                              "properties": {"cpuID": {"type": "integer"}}
                            }
                          },
                          "exclusivenessLevel": {"type": "string", "enum": ["None", "CPU", "Core", "Socket", "NUMA"]}
                        }
                      },
                      "status": {
                        "type": "object",
                        "required": ["resourceStatus", "nodeName"],
                        "properties": {
                          "resourceStatus": {
                            "type": "string",
                            "enum": [
                              "Applied",
                              "Pending",
                              "PodNotFound",
                              "InvalidCPUSet",
                              "Failed",
                              "CPUSetAllocationFailed",
                              "Validated"
                            ]
                          },
                          "nodeName": {"type": "string"},
                          "observedGeneration": {"type": "integer", "format": "int64"},
                          "podUID": {"type": "string"},
                          "holds": {
                            "type": "array",
                            "items": {
                              "type": "object",
                              "required": ["cpus", "exclusivenessLevel"],
                              "properties": {"cpus": {"type": "string"}, "exclusivenessLevel": {"type": "string"}}
                            }
                          },
                          "containers": {"type": "array", "items": {"type": "string"}},
                          "conditions": \(conditions),
                          "claim": \(claim),
                          "node": {
                            "type": "object",
                            "properties": {
                              "state": {"type": "string"},
                              "claim": \(claim),
                              "held": \(claim),
                              "containers": {"type": "array", "items": {"type": "string"}},
                              "message": {"type": "string"}
                            }
                          }
                        }
                      }
                    }
                  }
                }
              }
            ]
          }
        }
        """

    private static let conditions = """
        {
          "type": "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["type"],
          "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
              "type": {"type": "string"},
              "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
              "observedGeneration": {"type": "integer", "format": "int64"},
              "lastTransitionTime": {"type": "string", "format": "date-time"},
              "reason": {"type": "string"},
              "message": {"type": "string"}
            }
          }
        }
        """

    private static let claim = """
        {
          "type": "object",
          "properties": {
            "podUID": {"type": "string"},
            "cpus": {"type": "string"},
            "exclusivenessLevel": {"type": "string"},
            "exclusive": {"type": "string"},
            "memoryNodes": {"type": "array", "items": {"type": "integer"}}
          }
        }
        """

    /// Both.
    package static let all = [nodeCPUTopologies, podCPUBindings]
}
