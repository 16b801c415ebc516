{{/*
ScaledObject of one workload: (dict "root" $ "component" "worker" "scaling" VALUES "urls" QUEUES), and
optionally a fallback. VALUES has minReplicas, maxReplicas and photosPerWorker.
*/}}
{{- define "damage-tasks.scaledObject" -}}
{{- $root := .root -}}
{{- $scaling := .scaling -}}
{{- $auto := $root.Values.autoscaling -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
{{- $paused := ternary (dict "autoscaling.keda.sh/paused" "true") dict $auto.keda.paused }}
metadata: {{- include "damage-tasks.metadata" (dict "root" $root "component" .component "annotations" $paused) | nindent 2 }}
spec:
  scaleTargetRef:
    name: {{ include "damage-tasks.fullname" $root }}-{{ .component }}
  minReplicaCount: {{ int64 $scaling.minReplicas }}
  maxReplicaCount: {{ int64 $scaling.maxReplicas }}
  pollingInterval: {{ int64 $auto.keda.pollingInterval }}
  # Delay before the last pod stops; only used if minReplicas is 0.
  cooldownPeriod: {{ int64 $auto.keda.cooldownPeriod }}
  {{- with .fallback }}
  # Used while SQS cannot be queried.
  fallback: {{- toYaml . | nindent 4 }}
  {{- end }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{- toYaml $auto.behavior | nindent 8 }}
  triggers:
    # With several queues, the one that needs most pods counts.
    {{- range .urls }}
    - type: aws-sqs-queue
      metadata:
        queueURL: {{ . | quote }}
        awsRegion: {{ include "damage-tasks.region" $root | quote }}
        {{- with $root.Values.aws.endpointUrl }}
        awsEndpoint: {{ . | quote }}
        {{- end }}
        queueLength: {{ int64 $scaling.photosPerWorker | quote }}
        activationQueueLength: {{ int64 $auto.keda.activationPhotos | quote }}
        scaleOnInFlight: "true"
        # Photos that wait for their next attempt need no pod yet.
        scaleOnDelayed: "false"
      authenticationRef:
        name: {{ include "damage-tasks.fullname" $root }}-queue
    {{- end }}
{{- end }}
