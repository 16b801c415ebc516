{{/*
Reports all missing and conflicting values in one message, before anything is installed.
*/}}
{{- define "damage-tasks.check" -}}
{{- include "damage-tasks.refuseRenamed" . -}}
{{- $wrong := include "damage-tasks.misplaced" . | fromYamlArray -}}
{{- if not .Values.image.repository -}}
{{- $wrong = append $wrong "image.repository is not set: push the image to your registry (docs/platform.md), and enter its name" -}}
{{- end -}}
{{- range list "DAMAGE_QUEUE_URL" "DAMAGE_BUCKET" "DAMAGE_BUNDLE" -}}
{{- if not (index $.Values.settings .) -}}
{{- $wrong = append $wrong (printf "settings.%s is not set" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.settings.DAMAGE_QUEUE_URL (not (include "damage-tasks.region" .)) -}}
{{- $wrong = append $wrong "aws.region is not set, and the queue URL does not contain a region" -}}
{{- end -}}
{{- range $name := list "DAMAGE_QUEUE_URL" "DAMAGE_URGENT_QUEUE_URL" "DAMAGE_SHADOW_QUEUE_URL" -}}
{{- with index $.Values.settings $name -}}
{{- if not (regexMatch "^https?://[^/]+/[^/]+/[^/]+$" .) -}}
{{- $wrong = append $wrong (printf "settings.%s is not a queue URL (https://HOST/ACCOUNT/NAME)" $name) -}}
{{- else if hasSuffix ".fifo" . -}}
{{- $wrong = append $wrong (printf "settings.%s is a FIFO queue, which does not support a delay per message" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.settings.DAMAGE_URGENT_QUEUE_URL -}}
{{- if eq . $.Values.settings.DAMAGE_QUEUE_URL -}}
{{- $wrong = append $wrong "settings.DAMAGE_URGENT_QUEUE_URL is the same queue as DAMAGE_QUEUE_URL" -}}
{{- end -}}
{{- end -}}
{{- if eq (toString .Values.settings.DAMAGE_BUNDLE) "default" -}}
{{- $wrong = append $wrong "settings.DAMAGE_BUNDLE is default, but the image contains no weights: publish the bundle to S3" -}}
{{- end -}}
{{- if and (not .Values.secret.existing) (not .Values.secret.values) -}}
{{- $wrong = append $wrong "secret.existing is not set: enter the name of a Secret with DAMAGE_DATABASE_URL" -}}
{{- end -}}
{{- if and .Values.secret.existing .Values.secret.values -}}
{{- $wrong = append $wrong "secret.existing and secret.values cannot be combined" -}}
{{- end -}}
{{- with .Values.secret.values -}}
{{- range $key := include "damage-tasks.secretKeys" $ | fromYamlArray -}}
{{- if not (index $.Values.secret.values $key) -}}
{{- $wrong = append $wrong (printf "secret.values.%s is not set" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (ne .Values.logs.shipping "off") (not .Values.logs.bucket) -}}
{{- $wrong = append $wrong "logs.bucket is not set, but logs.shipping is not off" -}}
{{- end -}}
{{- $grace := int .Values.worker.terminationGracePeriodSeconds -}}
{{- $limit := int (.Values.settings.DAMAGE_TIME_LIMIT | default 90) -}}
{{- if and (le $grace $limit) (ne .Values.worker.remapSigterm "SIGQUIT") -}}
{{- $wrong = append $wrong (printf "worker.terminationGracePeriodSeconds (%d) must exceed DAMAGE_TIME_LIMIT (%d), or a drain interrupts photos in progress" $grace $limit) -}}
{{- end -}}
{{- $soft := int (.Values.settings.DAMAGE_SOFT_TIME_LIMIT | default 60) -}}
{{- if le $limit $soft -}}
{{- $wrong = append $wrong (printf "settings.DAMAGE_TIME_LIMIT (%d) must exceed DAMAGE_SOFT_TIME_LIMIT (%d)" $limit $soft) -}}
{{- end -}}
{{- if and .Values.settings.DAMAGE_CLOUDFRONT_HOSTS (not .Values.settings.DAMAGE_CLOUDFRONT_KEY_PAIR_ID) -}}
{{- $wrong = append $wrong "settings.DAMAGE_CLOUDFRONT_HOSTS needs DAMAGE_CLOUDFRONT_KEY_PAIR_ID, and DAMAGE_CLOUDFRONT_PRIVATE_KEY in the Secret" -}}
{{- end -}}
{{- $concurrency := .Values.settings.DAMAGE_CONCURRENCY | default "auto" -}}
{{- $auto := eq (toString $concurrency) "auto" -}}
{{- $processes := ternary 1 (int $concurrency) $auto -}}
{{- $pointer := hasSuffix "/CURRENT" (toString .Values.settings.DAMAGE_BUNDLE) -}}
{{- $own := ternary 250 150 $pointer -}}
{{- $largest := add $own (int (.Values.settings.DAMAGE_MAX_PHOTO_MEGABYTES | default 512)) -}}
{{- $each := ternary (int $largest) (int (.Values.settings.DAMAGE_MAX_PROCESS_MEGABYTES | default 2048)) $auto -}}
{{- $needed := add 400 (mul $processes $each) -}}
{{- with (.Values.worker.resources | default dict).limits -}}
{{- $memory := include "damage-tasks.mebibytes" .memory -}}
{{- if and $auto $memory (gt $needed (int64 $memory)) -}}
{{- $wrong = append $wrong (printf "worker.resources.limits.memory (%v) does not fit one process: 400 for the parent process, %d for a process%s and DAMAGE_MAX_PHOTO_MEGABYTES for its photo: %dMi" .memory $own (ternary " with two bundles during a roll-out" "" $pointer) $needed) -}}
{{- else if and $memory (gt $needed (int64 $memory)) -}}
{{- $wrong = append $wrong (printf "worker.resources.limits.memory (%v) is less than DAMAGE_CONCURRENCY (%d) times DAMAGE_MAX_PROCESS_MEGABYTES (%d) plus 400 for the parent process: %dMi" .memory $processes $each $needed) -}}
{{- end -}}
{{- end -}}
{{- with .Values.worker.resources -}}
{{- $asked := include "damage-tasks.mebibytes" (.requests | default dict).memory -}}
{{- $most := include "damage-tasks.mebibytes" (.limits | default dict).memory -}}
{{- if and $asked $most (gt (int64 $asked) (int64 $most)) -}}
{{- $wrong = append $wrong (printf "worker.resources.requests.memory (%v) exceeds limits.memory (%v)" .requests.memory .limits.memory) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.worker.spot.use "require") (not .Values.worker.spot.labels) -}}
{{- $wrong = append $wrong "worker.spot.use is require, but worker.spot.labels is empty" -}}
{{- end -}}
{{- if and (eq .Values.logs.shipping "sidecar") (eq (toString .Values.settings.DAMAGE_METRICS_PORT) "2020") -}}
{{- $wrong = append $wrong "settings.DAMAGE_METRICS_PORT is 2020, which Fluent Bit uses: choose another port" -}}
{{- end -}}
{{- if and (eq .Values.autoscaling.type "hpa") (lt (int .Values.autoscaling.minReplicas) 1) -}}
{{- $wrong = append $wrong "autoscaling.minReplicas is 0, which only KEDA supports: set 1 or more for hpa" -}}
{{- end -}}
{{- $scaled := dict "autoscaling" .Values.autoscaling -}}
{{- if and .Values.shadow.enabled .Values.shadow.autoscaling.enabled -}}
{{- $_ := set $scaled "shadow.autoscaling" .Values.shadow.autoscaling -}}
{{- end -}}
{{- range $name, $scaling := $scaled -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- $wrong = append $wrong (printf "%s.minReplicas is larger than %s.maxReplicas" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.flower.enabled .Values.flower.ingress.enabled (not .Values.flower.ingress.host) -}}
{{- $wrong = append $wrong "flower.ingress.host is not set" -}}
{{- end -}}
{{- if and .Values.review.enabled (eq (.Values.settings.DAMAGE_REVIEW_SIGN_IN | default "none") "none") -}}
{{- $wrong = append $wrong "settings.DAMAGE_REVIEW_SIGN_IN is not set, but review.enabled is true" -}}
{{- end -}}
{{- $s := .Values.settings -}}
{{- if and .Values.rollout.enabled (not (hasSuffix "/CURRENT" (toString $s.DAMAGE_BUNDLE))) -}}
{{- $wrong = append $wrong "settings.DAMAGE_BUNDLE is not a pointer (s3://BUCKET/NAME/CURRENT), but rollout.enabled is true" -}}
{{- end -}}
{{- range list "DAMAGE_SHADOW_QUEUE_URL" "DAMAGE_SHADOW_BUNDLE" -}}
{{- if and $.Values.shadow.enabled (not (index $s .)) -}}
{{- $wrong = append $wrong (printf "settings.%s is not set, but shadow.enabled is true" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.retention.enabled (not (or $s.DAMAGE_RETENTION_DAYS $s.DAMAGE_PICTURE_RETENTION_DAYS $s.DAMAGE_DECISION_RETENTION_DAYS)) -}}
{{- $wrong = append $wrong "settings.DAMAGE_RETENTION_DAYS is not set, but retention.enabled is true" -}}
{{- end -}}
{{- if and .Values.eventBus.enabled .Values.eventBus.url -}}
{{- $wrong = append $wrong "eventBus.url is set, but eventBus.enabled is true: set it to false" -}}
{{- end -}}
{{- if and .Values.review.ingress.enabled (not .Values.review.ingress.host) -}}
{{- $wrong = append $wrong "review.ingress.host is not set" -}}
{{- end -}}
{{- if and (eq .Values.worker.bundleCache.type "persistentVolumeClaim") (not .Values.worker.bundleCache.claim) -}}
{{- $wrong = append $wrong "worker.bundleCache.claim is not set" -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\n  - %s\n\nSee helm/README.md and docs/platform.md." (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end }}

{{/* Keys that the Secret must contain. */}}
{{- define "damage-tasks.secretKeys" -}}
- DAMAGE_DATABASE_URL
{{- $bus := .Values.eventBus }}
{{- if or $bus.enabled (contains "$(EVENT_BUS_PASSWORD)" $bus.url) }}
- EVENT_BUS_PASSWORD
{{- else if and .Values.flower.enabled (not $bus.url) }}
- DAMAGE_EVENT_BUS_URL
{{- end }}
{{- if and .Values.review.enabled (gt (int .Values.review.replicas) 1) }}
- DAMAGE_REVIEW_SESSION_KEY
{{- end }}
{{- if and .Values.flower.enabled (not .Values.secret.values.FLOWER_AUTH) }}
- FLOWER_BASIC_AUTH
{{- end }}
{{- end }}

{{/* Converts a quantity to mebibytes (2Gi to 2048); empty if it is not a number of bytes. */}}
{{- define "damage-tasks.mebibytes" -}}
{{- $text := kindIs "string" . | ternary . (int64 (default 0 .) | toString) -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?" $text -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := get $units (trimPrefix $number $text) -}}
{{- if and $number $unit (ne $text "0") -}}
{{- divf (mulf (float64 $number) $unit) 1048576 | floor | int64 -}}
{{- end -}}
{{- end }}
